package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A turn is what one side did while it was its turn.
type turn struct {
	N       int    `json:"n"`       // messages
	CPU     int64  `json:"cpu"`     // processor time of the whole process, in nanoseconds
	Wall    int64  `json:"wall"`    // in nanoseconds
	Alloc   int64  `json:"alloc"`   // octets allocated; Go sides tell
	Private int    `json:"private"` // operations with a private key; Postern tells
	Slowest int64  `json:"slowest"` // the one that took longest, in nanoseconds; TB tells
	Refresh int64  `json:"refresh"` // of a bundle in this turn, in nanoseconds; TB tells
	Error   string `json:"error,omitempty"`
}

// perCPU is messages for each second of the processor, which neighbours on the
// same machine change least.
func perCPU(t turn) float64 { return float64(t.N) / (float64(max(t.CPU, 1)) / 1e9) }

// cpuMillis is milliseconds of the processor for each message.
func cpuMillis(t turn) float64 { return 1000 / perCPU(t) }

// allocated is octets allocated for each message.
func allocated(t turn) float64 { return float64(t.Alloc) / float64(max(t.N, 1)) }

// A side works for about d, at least one message.
type side func(d time.Duration) (turn, error)

// local is a side in this process.
func local(do func() error) side {
	return func(d time.Duration) (turn, error) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		cpu, start := processorTime(), time.Now()
		for n == 0 || time.Since(start) < d {
			err := do()
			if err != nil {
				return turn{}, err
			}
			n++
		}
		wall, used := time.Since(start), processorTime()-cpu
		runtime.ReadMemStats(&after)
		return turn{N: n, CPU: used, Wall: int64(wall), Alloc: int64(after.TotalAlloc - before.TotalAlloc)}, nil
	}
}

// interleave lets the sides take turns, each after a first one that does not
// count, and returns the turns of each side in the order of the rounds.
func interleave(rounds int, d time.Duration, sides ...side) ([][]turn, error) {
	all := make([][]turn, len(sides))
	for round := range rounds + 1 {
		for i, s := range sides {
			long := d
			if round == 0 {
				long = 0 // caches and pools
			}
			t, err := s(long)
			switch {
			case err != nil:
				return nil, err
			case t.Error != "":
				return nil, errors.New(t.Error)
			case round > 0:
				all[i] = append(all[i], t)
			}
		}
	}
	return all, nil
}

// compared makes a figure of turns side by side: medians of both, the median of
// the ratios of each round, and how far those are apart.
func compared(f figure, of func(turn) float64, ours, peer []turn) figure {
	var mine, theirs, ratios []float64
	for i := range ours {
		m, p := of(ours[i]), of(peer[i])
		mine, theirs, ratios = append(mine, m), append(theirs, p), append(ratios, m/p)
	}
	f.Ours, f.Peer, f.Ratio = middle(mine), middle(theirs), middle(ratios)
	f.Spread = slices.Max(ratios) / slices.Min(ratios)
	return f
}

// atLeast and atMost set the target of a figure's ratio.
func (f figure) atLeast(least float64) figure {
	f.Target, f.Met = fmt.Sprintf(">= %g", least), f.Ratio >= least
	return f
}

func (f figure) atMost(most float64) figure {
	f.Target, f.Met = fmt.Sprintf("<= %g", most), f.Ratio <= most
	return f
}

func middle(v []float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}
