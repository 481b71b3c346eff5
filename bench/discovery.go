package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/publish/named"
	"postern/mime"
	"postern/trust/discovery"
)

const (
	perDomain  = 20 // addresses of one domain
	findAtOnce = 8  // look-ups side by side, as for the recipients of a message
	deadLabel  = "domain0"
	deadDomain = deadLabel + ".example"
)

// A directory is who is looked up: in every other domain each address has a
// certificate of its own, in the others the domain has one for all.
type directory struct {
	addresses []mime.Address
	questions [][]byte // that DNS must be asked for these, at the least
	server    *named.Fixed
}

// discoveryFigures are D: finding the certificates of many addresses in DNS, cold
// against the bare exchange of the same questions, warm, and with a domain among
// them whose name servers are silent.
func discoveryFigures(ctx context.Context, b *bench) ([]figure, error) {
	d, err := newDirectory(b.addresses)
	if err != nil {
		return nil, err
	}
	defer d.server.Close()
	what := fmt.Sprintf("%d addresses in %d domains", len(d.addresses), len(d.addresses)/perDomain)
	known := new(finder)
	defer known.close()
	turns, err := interleave(b.rounds, b.turn, d.raw(ctx), d.cold(ctx), d.warm(ctx, known))
	if err != nil {
		return nil, err
	}
	asked := float64(known.asked) / float64(len(d.addresses))
	cold := figure{ID: "D", What: fmt.Sprintf("%s, cold, %.3f questions each, against bare questions", what, asked), Unit: "look-ups/s"}
	warm := figure{ID: "D", What: what + ", warm, no question, against cold", Unit: "look-ups/s"}
	dead, err := d.deadFigure(ctx, b, what)
	if err != nil {
		return nil, err
	}
	return []figure{
		compared(cold, perSecond, turns[1], turns[0]).atLeast(0.4),
		compared(warm, perSecond, turns[2], turns[1]).atLeast(3),
		dead,
	}, nil
}

// deadFigure is what a dead domain costs the others. Both sides ask by way of a
// muffler.
func (d *directory) deadFigure(ctx context.Context, b *bench, what string) (figure, error) {
	f := figure{ID: "D", What: what + ", cold, one domain dead: the others against none dead", Unit: "look-ups/s"}
	muted, err := newMuffler(d.server.Addr(), deadLabel)
	if err != nil {
		return f, err
	}
	defer muted.close()
	open, err := newMuffler(d.server.Addr(), "no such label")
	if err != nil {
		return f, err
	}
	defer open.close()
	turns, err := interleave(b.rounds, 3*b.turn, d.beside(ctx, open), d.beside(ctx, muted))
	if err != nil {
		return f, err
	}
	return compared(f, perSecond, turns[1], turns[0]).atLeast(0.9), nil
}

// perSecond is look-ups for each second of the clock.
func perSecond(t turn) float64 { return float64(t.N) / (float64(max(t.Wall, 1)) / 1e9) }

func newDirectory(addresses int) (*directory, error) {
	root, err := newP256(authority("bench registry"), identity{})
	if err != nil {
		return nil, err
	}
	d := new(directory)
	var records []named.Record
	for i := range addresses / perDomain {
		domain := mime.Domain(fmt.Sprintf("domain%d.example", i))
		more, err := d.add(domain, i%2 == 0, root)
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
	}
	d.server, err = named.Records(records...)
	if err != nil {
		return nil, err
	}
	return d, d.server.Start("127.0.0.1:0")
}

// add makes a domain, whose addresses have certificates of their own or share
// one, and returns its records.
func (d *directory) add(domain mime.Domain, own bool, issuer identity) ([]named.Record, error) {
	host := "ns." + domain.String()
	records := []named.Record{named.Apex(domain.String(), host), named.A(host, netip.MustParseAddr("127.0.0.1"))}
	if !own {
		c, err := certify(&x509.Certificate{DNSNames: []string{domain.String()}}, issuer.key.Public(), issuer)
		if err != nil {
			return nil, err
		}
		records = append(records, named.DomainCERT(domain, c))
		d.questions = append(d.questions, question(domain.String()))
	}
	for j := range perDomain {
		a, err := mime.NewAddress(fmt.Sprintf("user%d", j), domain)
		if err != nil {
			return nil, err
		}
		d.addresses = append(d.addresses, a)
		d.questions = append(d.questions, question(fmt.Sprintf("user%d.%s", j, domain)))
		if !own {
			continue
		}
		c, err := certify(endEntity(a.String()), issuer.key.Public(), issuer)
		if err != nil {
			return nil, err
		}
		records = append(records, named.AddressCERT(a, c))
	}
	return records, nil
}

// raw is a side that asks the questions and no more.
func (d *directory) raw(ctx context.Context) side {
	return timed(len(d.addresses), func() error { return askRaw(ctx, d.server.Addr(), d.questions, findAtOnce) })
}

// timed is a side that does n look-ups at a time, as often as there is time for.
func timed(n int, do func() error) side {
	return func(d time.Duration) (turn, error) {
		t, start := turn{}, time.Now()
		for t.N == 0 || time.Since(start) < d {
			err := do()
			if err != nil {
				return turn{}, err
			}
			t.N += n
		}
		t.Wall = int64(time.Since(start))
		return t, nil
	}
}

// A finder is a resolver with what it has found.
type finder struct {
	resolver *discovery.Resolver
	asked    uint64 // questions to the server, the first time
}

func newFinder(server string) (*finder, error) {
	dns, err := discovery.NewDNS([]string{server})
	if err != nil {
		return nil, err
	}
	return &finder{resolver: &discovery.Resolver{DNS: dns}}, nil
}

func (f *finder) close() {
	if f.resolver != nil {
		f.resolver.Close()
		f.resolver.DNS.Close()
	}
}

// all looks addresses up and returns how many questions that took.
func (f *finder) all(ctx context.Context, addresses []mime.Address, atOnce int) (int, error) {
	var questions atomic.Int64
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, a := range addresses {
		g.Go(func() error {
			r := f.resolver.Find(ctx, discovery.Request{Address: a})
			questions.Add(int64(r.Questions))
			if len(r.Certificates) != 1 {
				return fmt.Errorf("finding %s: %d certificates, %w", a, len(r.Certificates), r.Err)
			}
			return nil
		})
	}
	err := g.Wait()
	return int(questions.Load()), err
}

// cold is a side that knows nothing at the beginning of a turn.
func (d *directory) cold(ctx context.Context) side {
	return timed(len(d.addresses), func() error {
		f, err := newFinder(d.server.Addr())
		if err != nil {
			return err
		}
		defer f.close()
		_, err = f.all(ctx, d.addresses, findAtOnce)
		return err
	})
}

// warm is a side that has found all of it before.
func (d *directory) warm(ctx context.Context, known *finder) side {
	first := func() error {
		f, err := newFinder(d.server.Addr())
		if err != nil {
			return err
		}
		*known = *f
		_, err = known.all(ctx, d.addresses, findAtOnce)
		known.asked = known.resolver.DNS.Stats().Questions
		return err
	}
	again := timed(len(d.addresses), func() error {
		asked, err := known.all(ctx, d.addresses, findAtOnce)
		if err == nil && asked > 0 {
			err = fmt.Errorf("warm look-ups asked %d questions", asked)
		}
		return err
	})
	return func(long time.Duration) (turn, error) {
		if known.resolver == nil {
			err := first()
			if err != nil {
				return turn{}, err
			}
		}
		return again(long)
	}
}

// beside is a side that looks up all addresses at once, as many messages do, and
// is done when those of living domains are found. Nobody waits for the others.
func (d *directory) beside(ctx context.Context, resolver *muffler) side {
	var dead, others []mime.Address
	for _, a := range d.addresses {
		if a.Domain() == deadDomain {
			dead = append(dead, a)
		} else {
			others = append(others, a)
		}
	}
	return timed(len(others), func() error {
		f, err := newFinder(resolver.addr())
		if err != nil {
			return err
		}
		defer f.close()
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var waiting sync.WaitGroup
		for _, a := range dead {
			waiting.Go(func() { f.resolver.Find(ctx, discovery.Request{Address: a}) })
		}
		_, err = f.all(ctx, others, len(others))
		cancel()
		waiting.Wait()
		return err
	})
}
