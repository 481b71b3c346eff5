package named

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// maxNetworks bounds the networks of clients that are told apart at a time. One
// takes about 100 octets.
const maxNetworks = 1 << 16

// A limiter lets each network of clients have so many answers a second, and as
// many at once after a second of silence. A UDP source can be forged: what is
// sent to it must not grow into a flood.
//
// A bucket that nobody asked for a second is full, as a new one is, so the limiter
// keeps those of this second and of the one before and forgets all others. When
// too many networks ask in one second, new ones get nothing until the next.
type limiter struct {
	rate float64 // answers a second; 0 is no limit
	now  func() time.Time

	mu          sync.Mutex
	turned      time.Time // when recent was begun
	recent, old map[netip.Prefix]bucket
}

// A bucket had so many answers left at a time.
type bucket struct {
	left float64
	at   time.Time
}

func newLimiter(rate int, now func() time.Time) *limiter {
	return &limiter{rate: float64(rate), now: now, recent: make(map[netip.Prefix]bucket)}
}

// allow takes an answer from the bucket of a client, if there is one left.
func (l *limiter) allow(client net.Addr) bool {
	if l.rate == 0 {
		return true
	}
	network := networkOf(client)
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	since := now.Sub(l.turned)
	if since >= time.Second || since < 0 {
		l.old, l.recent = l.recent, make(map[netip.Prefix]bucket)
		if since >= 2*time.Second {
			l.old = nil
		}
		l.turned = now
	}
	b, known := l.recent[network]
	if !known && len(l.recent) >= maxNetworks {
		return false
	}
	if !known {
		b, known = l.old[network]
	}
	if !known {
		b = bucket{l.rate, now}
	}
	b.left = min(b.left+max(now.Sub(b.at).Seconds(), 0)*l.rate, l.rate)
	b.at = now
	ok := b.left >= 1
	if ok {
		b.left--
	}
	l.recent[network] = b
	return ok
}

// networkOf returns what counts as one client over UDP: an IPv4 /24, an IPv6 /56.
// Addresses of no such kind are all one.
func networkOf(client net.Addr) netip.Prefix {
	a := addressOf(client)
	bits := 24
	if a.Is6() {
		bits = 56
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// addressOf returns the IP address of a client without its zone.
func addressOf(client net.Addr) netip.Addr {
	switch a := client.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
