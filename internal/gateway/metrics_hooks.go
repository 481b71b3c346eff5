package gateway

import (
	"context"
	"sync/atomic"

	"postern/internal/metrics"
	"postern/mime"
)

// hookCounts count attempts at web hooks.
type hookCounts struct{ taken, failed atomic.Uint64 }

// A hookReading is how events get to web hooks, at one moment.
type hookReading struct {
	taken, failed, lost        uint64
	waiting, failing, disabled int
}

// addHooks tells how events get to web hooks.
func (g *Gateway) addHooks(r *metrics.Registry) error {
	gauge := func(name, help string, value func(n hookReading) int) metrics.Series[hookReading] {
		return metrics.Series[hookReading]{Name: name, Help: help, Samples: func(n hookReading) []metrics.Sample {
			return []metrics.Sample{{Value: float64(value(n))}}
		}}
	}
	return metrics.Add(r, g.readHooks,
		metrics.Counts("hook_events_total", "Events that web hooks took.", func(n hookReading) uint64 { return n.taken }),
		metrics.Counts("hook_failures_total", "Attempts at web hooks that failed.", func(n hookReading) uint64 { return n.failed }),
		metrics.Counts("hook_lost_total", "Events that the web hooks there are never took: for their age, for their number, or because nobody wants them any more. It goes on over restarts.",
			func(n hookReading) uint64 { return n.lost }),
		gauge("hook_waiting", "Events that wait for web hooks.", func(n hookReading) int { return n.waiting }),
		gauge("hooks_failing", "Web hooks whose latest attempt failed.", func(n hookReading) int { return n.failing }),
		gauge("hooks_disabled", "Web hooks that are disabled, since their receivers want no more events.", func(n hookReading) int { return n.disabled }),
	)
}

func (g *Gateway) readHooks() hookReading {
	n := hookReading{taken: g.hookEvents.taken.Load(), failed: g.hookEvents.failed.Load()}
	all, err := g.Hooks(context.Background(), mime.Address{})
	if err != nil {
		g.Log.Warn("the state of the web hooks cannot be read", "err", err)
	}
	for _, h := range all {
		n.waiting += h.State.Waiting
		n.lost += h.State.Lost
		if !h.State.FailingSince.IsZero() {
			n.failing++
		}
		if h.Disabled != "" {
			n.disabled++
		}
	}
	return n
}
