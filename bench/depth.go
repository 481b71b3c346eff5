package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const restartMax = 2 * time.Second

// depthFigures are B14: what passes a gateway, from submission to another
// destination, while messages wait for a dead one.
func depthFigures(ctx context.Context, b *bench) ([]figure, error) {
	t, err := b.newTown()
	if err != nil {
		return nil, err
	}
	all, err := b.depths(ctx, t)
	return all, errors.Join(err, t.close())
}

func (b *bench) depths(ctx context.Context, t *town) (all []figure, err error) {
	var houses []*house
	defer func() { err = stopHouses(err, houses...) }()
	var sides []side
	for _, n := range b.crowds {
		h, err := b.sending(ctx, t, fmt.Sprintf("depth%d", n))
		if err != nil {
			return nil, err
		}
		houses = append(houses, h)
		err = h.crowd(ctx, n)
		if err != nil {
			return nil, fmt.Errorf("filling a queue: %w", err)
		}
		took, err := h.serve(ctx)
		if err != nil {
			return nil, err
		}
		f := figure{ID: "B14", What: fmt.Sprintf("%d waiting for a dead destination: from the start to serving, against %v", n, restartMax), Unit: "ms", Spread: 1}
		f.Ours, f.Peer = took.Seconds()*1000, restartMax.Seconds()*1000
		f.Ratio = f.Ours / f.Peer
		all = append(all, f.atMost(1))
		side, err := b.through(ctx, h, t.sink, load{sessions: 10, messages: b.mails}, 10<<10)
		if err != nil {
			return nil, err
		}
		sides = append(sides, side)
	}
	memory, err := b.depthMemory(ctx, houses)
	if err != nil {
		return nil, err
	}
	turns, err := interleave(b.rounds, b.turn, sides...)
	if err != nil {
		return nil, err
	}
	for i, n := range b.crowds[1:] {
		f := figure{ID: "B14", What: fmt.Sprintf("%d waiting for a dead destination: 10 KiB from submission to another, 10 sessions, against none waiting", n), Unit: "msg/s"}
		f = compared(f, perSecond, turns[i+1], turns[0])
		if i+2 == len(b.crowds) {
			f = f.atLeast(0.75)
		}
		all = append(all, f)
		f = figure{ID: "B14", What: fmt.Sprintf("%d waiting for a dead destination: the same, by the processor time of the gateway", n), Unit: "msg/cpu-s"}
		all = append(all, compared(f, perCPU, turns[i+1], turns[0]))
	}
	return append(all, memory...), nil
}

// depthSettles is how long gateways have to find the dead destination dead.
const depthSettles = 2 * time.Second

// depthMemory is what each waiting message takes of a gateway's own memory, before
// there is a load. What a load leaves to be collected is of another order.
func (b *bench) depthMemory(ctx context.Context, houses []*house) ([]figure, error) {
	if !pause(ctx, depthSettles) {
		return nil, ctx.Err()
	}
	first, err := houses[0].vitals(ctx)
	if err != nil {
		return nil, err
	}
	last := len(houses) - 1
	v, err := houses[last].vitals(ctx)
	if err != nil {
		return nil, err
	}
	f := figure{ID: "B14", What: fmt.Sprintf("%d waiting for a dead destination: memory of each, against 1 kB", b.crowds[last]), Unit: "B", Peer: 1000, Spread: 1}
	f.Ours = max(1, (v.own-first.own)*(1<<20)/float64(b.crowds[last])) // what is measured is not exact
	f.Ratio = f.Ours / f.Peer
	return []figure{f.atMost(1)}, nil
}
