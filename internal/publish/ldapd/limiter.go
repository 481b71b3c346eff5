package ldapd

import (
	"net/netip"
	"sync"
	"time"
)

// maxClients bounds the table of a limiter.
const maxClients = 4096

// A limiter says how many requests a client may make, over all of its
// connections: so many a second, and twice as many at once after a pause.
type limiter struct {
	rate  float64 // a second
	burst float64

	mu      sync.Mutex
	clients map[netip.Prefix]bucket
}

// A bucket is what a client had left at a time.
type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(rate int) *limiter {
	return &limiter{rate: float64(rate), burst: float64(max(2*rate, maxMails)), clients: make(map[netip.Prefix]bucket)}
}

// take takes the cost from the client's bucket, if there is as much in it.
func (l *limiter) take(client netip.Prefix, cost int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.clients[client]
	switch {
	case known:
		b = l.refill(b, now)
	default:
		l.makeRoom(now)
		b = bucket{l.burst, now}
	}
	ok := b.left >= float64(cost)
	if ok {
		b.left -= float64(cost)
	}
	l.clients[client] = b
	return ok
}

func (l *limiter) refill(b bucket, now time.Time) bucket {
	since := now.Sub(b.at)
	if since <= 0 {
		return b
	}
	return bucket{min(l.burst, b.left+since.Seconds()*l.rate), now}
}

// makeRoom keeps the table within its bound: it forgets clients whose buckets
// are full, who are as good as unknown, and failing that any. Whoever has so
// many networks to come from is not held by a limit on one.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.clients) < maxClients {
		return
	}
	for client, b := range l.clients {
		if l.refill(b, now).left >= l.burst {
			delete(l.clients, client)
		}
	}
	for client := range l.clients {
		if len(l.clients) < maxClients*3/4 { // so that this is done rarely
			return
		}
		delete(l.clients, client)
	}
}
