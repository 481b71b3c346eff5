package smtp

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Bounds of connections that wait for another message. To one host there are never
// more, waiting and at work together, than were at work at the same time.
const (
	maxIdle      = 128 // that wait, to all hosts
	maxDelivered = 100 // messages over one connection
)

// A place is what must be the same for a connection to serve another message.
type place struct {
	host   string
	addr   netip.AddrPort
	routed bool
}

// idleLinks are the connections that wait. The zero value is ready.
type idleLinks struct {
	mu      sync.Mutex
	at      map[place][]*link // the latest last
	n       int
	closed  bool
	closing sync.WaitGroup
}

// take returns the connection that waits for the shortest time, or nil.
func (s *idleLinks) take(p place) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.at[p]
	if len(all) == 0 {
		return nil
	}
	l := all[len(all)-1]
	s.remove(p, len(all)-1)
	l.timer.Stop()
	return l
}

func (s *idleLinks) remove(p place, i int) {
	all := s.at[p]
	copy(all[i:], all[i+1:])
	all[len(all)-1] = nil
	s.at[p] = all[:len(all)-1]
	if len(s.at[p]) == 0 {
		delete(s.at, p)
	}
	s.n--
}

// put has a connection wait for so long and reports whether there is room for it.
func (s *idleLinks) put(p place, l *link, wait time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.n >= maxIdle {
		return false
	}
	if s.at == nil {
		s.at = make(map[place][]*link)
	}
	s.at[p] = append(s.at[p], l)
	s.n++
	l.timer = time.AfterFunc(wait, func() { s.expire(p, l) })
	return true
}

// expire ends a connection that waited in vain, unless it was taken meanwhile.
func (s *idleLinks) expire(p place, l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, waiting := range s.at[p] {
		if waiting == l {
			s.remove(p, i)
			s.closing.Go(l.close)
			return
		}
	}
}

// close ends all that wait, and has none wait any more.
func (s *idleLinks) close() {
	s.mu.Lock()
	s.closed = true
	for _, all := range s.at {
		for _, l := range all {
			l.timer.Stop()
			s.closing.Go(l.close)
		}
	}
	s.at, s.n = nil, 0
	s.mu.Unlock()
	s.closing.Wait()
}

// Close ends the connections that wait for another message. Deliveries under way
// go on.
func (r *Relay) Close() { r.idle.close() }

// resume gives a connection that waited to another delivery, whose end ends it.
func (l *link) resume(ctx context.Context) {
	l.paced.until = endOf(ctx, l.total)
	l.stop = context.AfterFunc(ctx, func() { l.paced.Close() })
}

// release ends the delivery's hold on a connection, which waits for another or
// ends. It waits only after a message that was taken: then the peer is where it was
// after EHLO (RFC 5321 §4.1.1.4).
func (r *Relay) release(p place, l *link, taken bool) {
	l.delivered++
	again := taken && l.keep && r.Idle > 0 && l.delivered < maxDelivered && l.silent()
	if !again || !l.stop() || !r.idle.put(p, l, r.Idle) {
		l.close()
	}
}
