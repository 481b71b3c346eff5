package pop3

import "sync"

// maxSizes bounds the sizes that a server remembers: a few megabytes.
const maxSizes = 200_000

// sizes remember how long messages are as text, by their bodies, which never change.
// The zero sizes is ready for use.
type sizes struct {
	mu   sync.Mutex
	of   map[uint64]int64
	last map[uint64]int64 // those before of was full
}

func (s *sizes) get(body uint64) (int64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.of[body]
	if !ok {
		n, ok = s.last[body]
	}
	return n, ok
}

func (s *sizes) put(body uint64, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil || len(s.of) >= maxSizes/2 {
		s.of, s.last = make(map[uint64]int64), s.of
	}
	s.of[body] = n
}
