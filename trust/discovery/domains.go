package discovery

import (
	"context"
	"sync"
	"time"

	"postern/mime"
)

// Bounds on searches under way, so that one domain, however slow, leaves places
// for the others.
const (
	maxFinds       = 64
	maxDomainFinds = 4
)

// For how long a domain whose name servers gave no answer is not asked: the pause
// doubles each time they give none again, until they give one.
const (
	firstPause   = 30 * time.Second
	longestPause = 2 * time.Minute
	forgetDead   = 10 * time.Minute // after the end of its pause
	maxDead      = 10_000           // domains
)

// domains gives out the places for searches and remembers dead domains. The
// zero domains is ready.
type domains struct {
	mu    sync.Mutex
	all   chan struct{} // a place each
	gates map[mime.Domain]*gate
	lost  map[mime.Domain]silence
}

// A gate has the places of one domain, for as long as somebody uses it.
type gate struct {
	places chan struct{}
	users  int
}

// A silence is a domain that gave no answer.
type silence struct {
	since, until time.Time
	pause        time.Duration
}

// enter waits for a place. The domain's own comes first: whoever waits for that
// keeps nobody else from the others.
func (d *domains) enter(ctx context.Context, domain mime.Domain) (leave func(), err error) {
	g := d.gate(domain)
	err = take(ctx, g.places)
	if err != nil {
		d.release(domain, g)
		return nil, err
	}
	err = take(ctx, d.all)
	if err != nil {
		<-g.places
		d.release(domain, g)
		return nil, err
	}
	return func() {
		<-d.all
		<-g.places
		d.release(domain, g)
	}, nil
}

func take(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *domains) gate(domain mime.Domain) *gate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all, d.gates = make(chan struct{}, maxFinds), map[mime.Domain]*gate{}
	}
	g := d.gates[domain]
	if g == nil {
		g = &gate{places: make(chan struct{}, maxDomainFinds)}
		d.gates[domain] = g
	}
	g.users++
	return g
}

func (d *domains) release(domain mime.Domain, g *gate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g.users--
	if g.users == 0 {
		delete(d.gates, domain)
	}
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
	s := d.lost[domain]
	if now.Before(s.until) && !now.Before(s.since) {
		return
	}
	if now.Sub(s.until) > forgetDead {
		s.pause = 0
	}
	s.pause = min(max(2*s.pause, firstPause), longestPause)
	s.since, s.until = now, now.Add(s.pause)
	if d.lost == nil {
		d.lost = map[mime.Domain]silence{}
	}
	d.lost[domain] = s
	if len(d.lost) > maxDead {
		d.forget(now, domain)
	}
}

// forget drops what is long over, and if that is nothing any other domain but
// one: it costs no more than asking once too often.
func (d *domains) forget(now time.Time, except mime.Domain) {
	for domain, s := range d.lost {
		if now.Sub(s.until) > forgetDead {
			delete(d.lost, domain)
		}
	}
	for domain := range d.lost {
		if len(d.lost) <= maxDead {
			return
		}
		if domain != except {
			delete(d.lost, domain)
		}
	}
}

// alive forgets that a domain was dead.
func (d *domains) alive(domain mime.Domain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lost, domain)
}
