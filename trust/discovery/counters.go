package discovery

import (
	"sync/atomic"

	"postern/trust/reason"
)

// FindStats findCounts what a Resolver did since it was made.
type FindStats struct {
	Finds uint64 // that ended, with one of the three outcomes
	Found uint64 // certificates
	None  uint64 // as nothing usable is published
	Later uint64 // as somebody did not answer

	Cached    uint64 // Finds for which something came from earlier ones
	Spared    uint64 // Finds of domains whose name servers were dead a while ago
	Questions uint64 // to the network
	Hits      uint64 // searches of directories, and documents, that were kept
	Joined    uint64 // those that waited for an equal one
}

type findCounts struct {
	found, none, later, cached, spared, questions, hits, joined atomic.Uint64
}

// Stats returns the findCounts. Those of the questions to DNS alone are with DNS.
func (r *Resolver) Stats() FindStats {
	c := &r.counts
	s := FindStats{Found: c.found.Load(), None: c.none.Load(), Later: c.later.Load(),
		Cached: c.cached.Load(), Spared: c.spared.Load(),
		Questions: c.questions.Load(), Hits: c.hits.Load(), Joined: c.joined.Load()}
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

func (c *findCounts) kept(h how) {
	if h.cached {
		c.hits.Add(1)
	}
	if h.joined {
		c.joined.Add(1)
	}
}
