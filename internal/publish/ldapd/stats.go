package ldapd

import "sync/atomic"

// Stats are figures of a server since it was made.
type Stats struct {
	Open        int    // connections now
	Connections uint64 // that were let in
	TurnedAway  uint64 // connections over a limit
	Requests    uint64 // messages read, whatever they were
	Entries     uint64 // sent
	Limited     uint64 // requests answered busy
	Malformed   uint64 // connections ended because of what was sent
}

type counters struct {
	connections, turnedAway, requests, entries, limited, malformed atomic.Uint64
}

// Stats returns the figures of now.
func (s *Server) Stats() Stats {
	return Stats{
		Open: s.group.Len(), Connections: s.stats.connections.Load(), TurnedAway: s.stats.turnedAway.Load(),
		Requests: s.stats.requests.Load(), Entries: s.stats.entries.Load(),
		Limited: s.stats.limited.Load(), Malformed: s.stats.malformed.Load(),
	}
}
