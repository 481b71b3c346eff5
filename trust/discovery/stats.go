package discovery

import "sync/atomic"

// Stats counts what a DNS client has done since it was made.
type Stats struct {
	Questions     uint64 // sent to servers, with those that were put again
	Hits          uint64 // look-ups answered from what is kept
	Joined        uint64 // look-ups that waited for an equal one under way
	Failures      uint64 // look-ups that ended without an answer
	Authoritative uint64 // look-ups that a domain's own servers answered
}

type counts struct {
	questions, hits, joined, failures, authoritative atomic.Uint64
}

// Stats returns the counts of this moment.
func (d *DNS) Stats() Stats {
	return Stats{
		Questions:     d.counts.questions.Load(),
		Hits:          d.counts.hits.Load(),
		Joined:        d.counts.joined.Load(),
		Failures:      d.counts.failures.Load(),
		Authoritative: d.counts.authoritative.Load(),
	}
}
