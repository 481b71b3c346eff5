package main

import (
	"context"
	"errors"
	"fmt"
)

// relayTargets are those of B7, by size.
func relayTargets() map[int]float64 { return map[int]float64{10 << 10: 1.3, 100 << 10: 1.0} }

// relayFigures are B7: from submission, with TLS and AUTH, to the next server,
// signed and encrypted on the way, against Postfix, which relays them as they are.
func relayFigures(ctx context.Context, b *bench) ([]figure, error) {
	if !havePostfix() {
		return []figure{skipped("B7", "relay end to end against Postfix", postfixMissing)}, nil
	}
	return b.besidePostfix(ctx, "relay", false, func(ours, theirs door, s *sink) ([]figure, error) {
		var all []figure
		for _, size := range b.upTo(100 << 10) {
			for _, sessions := range []int{1, 10, 50} {
				l := load{sessions: sessions, messages: b.mails}
				turns, err := interleave(b.rounds, b.turn, b.passing(ctx, ours, s, l, size), b.passing(ctx, theirs, s, l, size))
				if err != nil {
					return nil, err
				}
				f := compared(figure{ID: "B7", Unit: "msg/s"}, perSecond, turns[0], turns[1])
				f.What = fmt.Sprintf("relay end to end, %s, %d sessions, signed and encrypted, against Postfix as it is; accepted in %.3g ms (p99), there %.3g; %.3g ms of the processor each",
					sizeName(size), sessions, slowest(turns[0]), slowest(turns[1]), eachTook(turns[0]))
				if sessions == 10 {
					f = f.atLeast(relayTargets()[size])
				}
				all = append(all, f)
			}
		}
		return all, nil
	})
}

// slowest is the median of the slowest of each turn, in milliseconds.
func slowest(turns []turn) float64 {
	var all []float64
	for _, t := range turns {
		all = append(all, float64(t.Slowest)/1e6)
	}
	return middle(all)
}

// filterFigures are B8: the same against Postfix with a filter of openssl cms.
func filterFigures(ctx context.Context, b *bench) ([]figure, error) {
	if !havePostfix() || missing("/usr/bin/openssl") {
		return []figure{skipped("B8", "relay end to end against a filter of openssl cms", filterMissing)}, nil
	}
	return b.besidePostfix(ctx, "filter", true, func(ours, theirs door, s *sink) ([]figure, error) {
		var all []figure
		for _, size := range b.upTo(100 << 10) {
			l, few := load{sessions: 10, messages: b.mails}, load{sessions: 10, messages: max(b.mails/6, 1)}
			turns, err := interleave(b.rounds, b.turn, b.passing(ctx, ours, s, l, size), b.passing(ctx, theirs, s, few, size))
			if err != nil {
				return nil, err
			}
			f := compared(figure{ID: "B8", What: "relay end to end, " + sizeName(size) + ", 10 sessions, against Postfix with a filter of openssl cms", Unit: "msg/s"}, perSecond, turns[0], turns[1])
			all = append(all, f.atLeast(12))
		}
		return all, nil
	})
}

// besidePostfix measures with a gateway and a Postfix that relay to one sink.
func (b *bench) besidePostfix(ctx context.Context, name string, filter bool, measure func(ours, theirs door, s *sink) ([]figure, error)) (all []figure, err error) {
	t, err := b.newTown()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	h, err := b.sending(ctx, t, name)
	if err != nil {
		return nil, err
	}
	_, err = h.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopHouses(err, h) }()
	ours, err := h.submissionDoor()
	if err != nil {
		return nil, err
	}
	theirs, err := b.startPostfix(ctx, name+"-postfix", t.sink.addr(), filter)
	if err != nil {
		return nil, err
	}
	defer theirs.stop()
	return measure(ours, theirs.door(), t.sink)
}
