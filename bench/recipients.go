package main

import (
	"context"
	"fmt"
)

// mostSlope is what one more recipient may cost, in milliseconds.
const mostSlope = 0.045

// recipientFigures are B13: one message to 1, 10 and 50 recipients, what each
// more costs, and how often the private key was used.
func recipientFigures(ctx context.Context, b *bench) ([]figure, error) {
	ours, err := b.startSelf(ctx, "postern")
	if err != nil {
		return nil, err
	}
	theirs, err := b.startC(ctx)
	if err != nil {
		return nil, stopAll(err, ours)
	}
	all, err := b.recipients(ours, theirs)
	return all, stopAll(err, ours, theirs)
}

// recipients measures with or without the peer.
func (b *bench) recipients(ours, theirs *peer) ([]figure, error) {
	against := theirs
	if against == nil {
		against = ours
	}
	p, err := b.messages(ours, against, 10<<10)
	if err != nil {
		return nil, err
	}
	numbers := []int{1, 10, mostRecipients}
	var sides []side
	for _, n := range numbers {
		sides = append(sides, ours.side("out", p.plain, n))
	}
	if theirs != nil {
		for _, n := range numbers {
			sides = append(sides, theirs.side("out", p.plain, n))
		}
	}
	turns, err := interleave(b.rounds, b.turn, sides...)
	if err != nil {
		return nil, err
	}
	mine := turns[:len(numbers)]
	var all []figure
	for i, n := range numbers {
		what := fmt.Sprintf("out, 10 KiB, recipients %d, against libcrypto", n)
		if theirs == nil {
			all = append(all, skipped("B13", what, cMissing))
			continue
		}
		all = append(all, compared(figure{ID: "B13", What: what, Unit: "ms"}, cpuMillis, mine[i], turns[len(numbers)+i]))
	}
	return append(all, slope(mine[0], mine[len(mine)-1]), privateOperations(mine)), nil
}

// slope is what one more recipient costs.
func slope(one, most []turn) figure {
	f := compared(figure{ID: "B13", What: "out, each more recipient: (50 - 1) / 49", Unit: "ms"}, cpuMillis, most, one)
	f.Ratio = (f.Ours - f.Peer) / (mostRecipients - 1)
	return f.atMost(mostSlope)
}

// privateOperations is how many of them one message takes at most.
func privateOperations(turns [][]turn) figure {
	f := figure{ID: "B13", What: "private-key operations of one message out", Unit: "ops", Peer: 1, Spread: 1}
	for _, side := range turns {
		for _, t := range side {
			f.Ours = max(f.Ours, float64(t.Private)/float64(t.N))
		}
	}
	f.Ratio = f.Ours
	return f.atMost(1)
}
