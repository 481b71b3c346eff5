package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	probeFor  = 3 * time.Second // of load, to learn what half of it is
	samples   = 30              // of vitals, over all the time
	mostDrift = 1.1
)

// longFigures are B17: two gateways under half the load that they bear, each
// message acknowledged; what they take of the machine in the last third of the
// time against the first.
func longFigures(ctx context.Context, b *bench) (all []figure, err error) {
	t, err := b.newTown()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	from, to, err := b.couple(ctx, t)
	defer func() { err = stopHouses(err, from, to) }()
	if err != nil {
		return nil, err
	}
	d, err := from.submissionDoor()
	if err != nil {
		return nil, err
	}
	every, err := b.halfLoad(ctx, d, from, to)
	if err != nil {
		return nil, err
	}
	loaded, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := d.hand(loaded, load{sessions: 10, messages: int(b.long/every) + 1, every: every, text: numbered(10<<10, "long")})
		ended <- err
	}()
	taken, err := b.watch(ctx, from, to)
	if err == nil {
		err = <-ended
	}
	stop()
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%v at %.3g messages a second, half of what is borne: ", b.long, float64(time.Second)/float64(every))
	for i, h := range []*house{from, to} {
		all = append(all, drifts(what+h.domain, taken[i])...)
	}
	return all, nil
}

// couple is two gateways that send to each other.
func (b *bench) couple(ctx context.Context, t *town) (from, to *house, err error) {
	from, err = b.newHouse(ctx, plan{name: "long-a", domain: nearDomain, user: senderAddress, key: b.rig.sender, dns: t.dns.Addr()})
	if err != nil {
		return nil, nil, err
	}
	to, err = b.newHouse(ctx, plan{
		name: "long-b", domain: farDomain, user: recipientAddress(0), key: b.rig.to[0], dns: t.dns.Addr(),
		routes: map[string]string{nearDomain: from.backbone},
	})
	if err == nil {
		err = from.route(farDomain, to.backbone)
	}
	for _, h := range []*house{from, to} {
		if err == nil {
			_, err = h.serve(ctx)
		}
	}
	return from, to, err
}

// halfLoad hands in as much as goes for a moment, and returns how often a message
// may come so that it is half of that.
func (b *bench) halfLoad(ctx context.Context, d door, from, to *house) (time.Duration, error) {
	messages, began := 0, time.Now()
	for messages == 0 || time.Since(began) < min(probeFor, b.long) {
		b.series++
		l := load{sessions: 10, messages: b.mails, text: numbered(10<<10, fmt.Sprint("s", b.series))}
		_, err := d.hand(ctx, l)
		if err != nil {
			return 0, err
		}
		err = errors.Join(from.awaitIdle(ctx), to.awaitIdle(ctx), from.awaitIdle(ctx))
		if err != nil {
			return 0, err
		}
		messages += l.messages
	}
	return 2 * time.Since(began) / time.Duration(messages), nil
}

// watch samples the vitals of both, in even steps.
func (b *bench) watch(ctx context.Context, houses ...*house) ([][]vitals, error) {
	taken := make([][]vitals, len(houses))
	for range samples {
		if !pause(ctx, b.long/samples) {
			return nil, ctx.Err()
		}
		for i, h := range houses {
			v, err := h.vitals(ctx)
			if err != nil {
				return nil, err
			}
			taken[i] = append(taken[i], v)
		}
	}
	return taken, nil
}

// drifts are the medians of the last third of samples against those of the first.
func drifts(what string, taken []vitals) []figure {
	third := len(taken) / 3
	var all []figure
	for _, of := range []struct {
		name, unit string
		value      func(vitals) float64
	}{
		{"memory", "MiB", func(v vitals) float64 { return v.own }},
		{"goroutines", "", func(v vitals) float64 { return v.goroutines }},
		{"descriptors", "", func(v vitals) float64 { return v.descriptors }},
	} {
		var first, last []float64
		for i := range third {
			first, last = append(first, of.value(taken[i])), append(last, of.value(taken[len(taken)-1-i]))
		}
		f := figure{ID: "B17", What: what + ", " + of.name + " at the end against the beginning", Unit: of.unit, Ours: middle(last), Peer: middle(first), Spread: 1}
		f.Ratio = f.Ours / f.Peer
		all = append(all, f.atMost(mostDrift))
	}
	return all
}
