package admit

import (
	"cmp"
	"net/netip"
	"sync"
	"time"
)

// maxClients is the default of Limiter.Max. A client takes about 100 octets, twice.
const maxClients = 1 << 16

// A Limiter gives each client so much a second, and a burst after silence. The
// zero Limiter has no limit.
//
// A bucket that nobody took from while it could fill up is full, as a new one is,
// so the Limiter keeps those of this span of time and of the one before, and
// forgets all others. Nothing is forgotten for want of room: when too many clients
// come in one span, new ones get nothing until the next.
type Limiter struct {
	Rate  int // a second; 0 is no limit
	Burst int // at once; Rate if 0
	Max   int // clients that are told apart in one span; 65,536 if 0

	mu          sync.Mutex
	turned      time.Time // when recent was begun
	recent, old map[netip.Prefix]bucket
}

// Take takes the cost from what a client has, if there is as much. A cost below
// zero is none.
func (l *Limiter) Take(client netip.Prefix, cost int, now time.Time) bool {
	if l.Rate == 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	b, known := l.recent[client]
	if !known && len(l.recent) >= cmp.Or(l.Max, maxClients) {
		return false
	}
	if !known {
		b, known = l.old[client]
	}
	if !known {
		b = bucket{l.burst(), now}
	}
	b = l.fill().refill(b, now)
	c := float64(max(cost, 0))
	ok := b.left >= c
	if ok {
		b.left -= c
	}
	l.recent[client] = b
	return ok
}

func (l *Limiter) burst() float64 { return float64(cmp.Or(l.Burst, l.Rate)) }

func (l *Limiter) fill() fill { return fill{float64(l.Rate), l.burst()} }

// span is how long an empty bucket takes to fill up.
func (l *Limiter) span() time.Duration { return l.fill().span() }

// turn begins a new span when one is over, or when the clock was set back by as
// much. Callers who read the clock at once come a little out of order, which is
// neither.
func (l *Limiter) turn(now time.Time) {
	since := now.Sub(l.turned)
	if l.recent != nil && since.Abs() < l.span() {
		return
	}
	l.old, l.recent = l.recent, make(map[netip.Prefix]bucket)
	if since >= 2*l.span() {
		l.old = nil
	}
	l.turned = now
}
