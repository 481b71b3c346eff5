package discovery

import (
	"context"
	"strings"
	"sync"

	"postern/mime"
)

// Bounds on what is under way at once. Whoever has a zone can make any number of
// domains in it, so that those have a bound together; and so have all domains that
// gave no answer of late, which leaves places for those that work. Whose name
// servers answer may have directories that do not: there a zone has no more places
// for being known.
type bounds struct{ domain, zone, knownZone, strangers, all int }

var (
	findBounds      = bounds{domain: 4, zone: 8, knownZone: 16, strangers: 32, all: 64}
	directoryBounds = bounds{domain: 4, zone: 4, knownZone: 4, strangers: 8, all: 16}
)

// places gives out places for work that strangers make us do. The zero places is
// ready.
type places struct {
	mu    sync.Mutex
	gates map[gateKey]*gate
}

// A gateKey says who shares places.
type gateKey struct {
	kind gateKind
	name string // of a domain, or the last two labels of several
}

type gateKind int

const (
	gateDomain gateKind = iota
	gateZone
	gateKnownZone
	gateStrangers
	gateAll
)

// A gate has places for as long as somebody uses it.
type gate struct {
	free  chan struct{} // a place for each that it takes
	users int
}

// enter waits for a place for a domain, known if it has given answers of late.
// The domain's own comes first: whoever waits for that keeps nobody else from the
// others.
func (p *places) enter(ctx context.Context, b bounds, domain mime.Domain, known bool) (leave func(), err error) {
	var held []func()
	leave = func() {
		for _, l := range held {
			l()
		}
	}
	pass := func(kind gateKind, name string, size int) {
		if err != nil {
			return
		}
		var l func()
		l, err = p.pass(ctx, gateKey{kind, name}, size)
		if err == nil {
			held = append(held, l)
		}
	}
	zone := lastLabels(domain)
	pass(gateDomain, domain.String(), b.domain)
	if known {
		pass(gateKnownZone, zone, b.knownZone)
	} else {
		pass(gateZone, zone, b.zone)
		pass(gateStrangers, "", b.strangers)
	}
	pass(gateAll, "", b.all)
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// lastLabels returns the last two labels of a domain, which one owner has, or a
// registry.
func lastLabels(domain mime.Domain) string {
	name := domain.String()
	last := strings.LastIndexByte(name, '.')
	return name[strings.LastIndexByte(name[:max(last, 0)], '.')+1:]
}

// pass waits for a place of one gate.
func (p *places) pass(ctx context.Context, key gateKey, size int) (leave func(), err error) {
	g := p.use(key, size)
	select {
	case g.free <- struct{}{}:
		return func() {
			<-g.free
			p.release(key, g)
		}, nil
	case <-ctx.Done():
		p.release(key, g)
		return nil, ctx.Err()
	}
}

func (p *places) use(key gateKey, size int) *gate {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gates == nil {
		p.gates = map[gateKey]*gate{}
	}
	g := p.gates[key]
	if g == nil {
		g = &gate{free: make(chan struct{}, size)}
		p.gates[key] = g
	}
	g.users++
	return g
}

func (p *places) release(key gateKey, g *gate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g.users--
	if g.users == 0 {
		delete(p.gates, key)
	}
}
