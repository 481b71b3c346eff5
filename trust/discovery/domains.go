package discovery

import (
	"maps"
	"sync"
	"time"

	"postern/mime"
)

// For how long a domain whose name servers gave no answer is not asked: the pause
// doubles each time they give none again, until they give one.
const (
	firstPause   = 30 * time.Second
	longestPause = 2 * time.Minute
	forgetDead   = 10 * time.Minute // after the end of its pause
	maxDead      = 10_000           // domains
)

// How long a domain that gave an answer is known for it.
const (
	knownFor = 24 * time.Hour
	maxKnown = 10_000
)

// domains remembers which domains answer and which are dead. The zero domains is
// ready.
type domains struct {
	mu    sync.Mutex
	heard map[mime.Domain]time.Time // when it last gave an answer
	lost  map[mime.Domain]silence
}

// A silence is a domain that gave no answer.
type silence struct {
	since, until time.Time
	pause        time.Duration
	ordered      bool // it is over by order, and nothing of it counts
}

// dead tells since when a domain gave no answer and until when it is not asked.
func (d *domains) dead(domain mime.Domain, now time.Time) (since, until time.Time, dead bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.lost[domain]
	return s.since, s.until, !now.Before(s.since) && now.Before(s.until)
}

// died remembers that a domain gave no answer. Searches that ran side by side
// count as one.
func (d *domains) died(domain mime.Domain, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.heard, domain)
	s := d.lost[domain]
	if now.Before(s.until) && !now.Before(s.since) {
		return
	}
	if now.Sub(s.until) > forgetDead {
		s.pause = 0
	}
	s.pause = min(max(2*s.pause, firstPause), longestPause)
	s.since, s.until, s.ordered = now, now.Add(s.pause), false
	if d.lost == nil {
		d.lost = map[mime.Domain]silence{}
	}
	d.lost[domain] = s
	if len(d.lost) > maxDead {
		d.forget(now, domain)
	}
}

// revive ends the pause of a domain. If it gives no answer again, its next pause is
// longer all the same.
func (d *domains) revive(domain mime.Domain, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.lost[domain]
	if ok && now.Before(s.until) {
		s.until, s.ordered = now, true
		d.lost[domain] = s
	}
}

// revived reports whether the pause of a domain was ended by order, and nobody has
// heard since then.
func (d *domains) revived(domain mime.Domain) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lost[domain].ordered
}

// forget drops what is long over, and if that is nothing any other domain but
// one: it costs no more than asking once too often.
func (d *domains) forget(now time.Time, except mime.Domain) {
	maps.DeleteFunc(d.lost, func(_ mime.Domain, s silence) bool { return now.Sub(s.until) > forgetDead })
	for domain := range d.lost {
		if len(d.lost) <= maxDead {
			return
		}
		if domain != except {
			delete(d.lost, domain)
		}
	}
}

// known reports whether a domain has given an answer of late.
func (d *domains) known(domain mime.Domain, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, ok := d.heard[domain]
	return ok && now.Sub(at) < knownFor
}

// alive remembers that a domain gave an answer, and forgets that it was dead.
func (d *domains) alive(domain mime.Domain, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lost, domain)
	if d.heard == nil {
		d.heard = map[mime.Domain]time.Time{}
	}
	if len(d.heard) >= maxKnown {
		maps.DeleteFunc(d.heard, func(_ mime.Domain, at time.Time) bool { return now.Sub(at) >= knownFor })
	}
	for other := range d.heard {
		if len(d.heard) < maxKnown {
			break
		}
		delete(d.heard, other)
	}
	d.heard[domain] = now
}
