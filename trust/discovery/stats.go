package discovery

import (
	"sync/atomic"

	"postern/trust/reason"
)

// Stats counts what a DNS client has done since it was made.
type Stats struct {
	Questions     uint64 // sent to servers, with those that were put again
	Hits          uint64 // look-ups answered from what is kept
	Joined        uint64 // look-ups that waited for an equal one under way
	Failures      uint64 // look-ups that ended without an answer
	Authoritative uint64 // look-ups that a domain's own servers answered
}

type dnsCounts struct {
	questions, failures, authoritative atomic.Uint64
}

// Stats returns the counts of this moment.
func (d *DNS) Stats() Stats {
	hits, joined := d.answers().counts()
	return Stats{Questions: d.counts.questions.Load(), Hits: hits, Joined: joined,
		Failures: d.counts.failures.Load(), Authoritative: d.counts.authoritative.Load()}
}

// FindStats counts what a Resolver has done since it was made. What it asked DNS
// is with the counts of that.
type FindStats struct {
	Finds uint64 // that ended, with one of the three outcomes
	Found uint64 // certificates
	None  uint64 // as nothing usable is published
	Later uint64 // as somebody did not answer

	Cached    uint64 // Finds for which something came from earlier ones
	Spared    uint64 // Finds of domains whose name servers were dead a while ago
	Questions uint64 // to the network
	Hits      uint64 // searches of directories, and documents, that were kept
	Joined    uint64 // those that waited for an equal one under way
}

type findCounts struct {
	found, none, later, cached, spared, questions atomic.Uint64
}

// Stats returns the counts of this moment.
func (r *Resolver) Stats() FindStats {
	r.make()
	c := &r.counts
	s := FindStats{Found: c.found.Load(), None: c.none.Load(), Later: c.later.Load(),
		Cached: c.cached.Load(), Spared: c.spared.Load(), Questions: c.questions.Load()}
	s.Hits, s.Joined = r.results.counts()
	s.Finds = s.Found + s.None + s.Later
	return s
}

func (c *findCounts) add(r *Result) {
	switch {
	case r.Err == nil:
		c.found.Add(1)
	case r.Err.Code == reason.DiscoveryTimeout:
		c.later.Add(1)
	default:
		c.none.Add(1)
	}
	if r.Cached {
		c.cached.Add(1)
	}
	c.questions.Add(uint64(r.Questions))
}
