package gateway

import (
	"context"
	"errors"
	"time"

	"postern/internal/metrics"
	"postern/store"
)

// A queueReading is the state of the queue at one moment.
type queueReading struct {
	totals map[store.JobKind]store.JobTotal
	late   map[store.JobKind]time.Duration // since the first due job of a kind was due
	down   map[store.JobKind]int
}

// addQueue tells how much is under way, and whether it moves.
func (g *Gateway) addQueue(r *metrics.Registry) error {
	perKind := func(name, help string, value func(q queueReading, kind store.JobKind) float64) metrics.Series[queueReading] {
		return metrics.Series[queueReading]{Name: name, Help: help, Labels: []string{"step"}, Samples: func(q queueReading) []metrics.Sample {
			var samples []metrics.Sample
			for _, kind := range store.Steps() {
				samples = append(samples, metrics.Sample{Labels: []string{string(kind)}, Value: value(q, kind)})
			}
			return samples
		}}
	}
	return metrics.Add(r, g.readQueue,
		perKind("queue_jobs", "Messages under way, by the step they wait for.",
			func(q queueReading, kind store.JobKind) float64 { return float64(q.totals[kind].Jobs) }),
		perKind("queue_bytes", "Bytes of messages under way, by the step they wait for.",
			func(q queueReading, kind store.JobKind) float64 { return float64(q.totals[kind].Bytes) }),
		perKind("queue_late_seconds", "Since the message that is due first was due; 0 if none is due. It grows while destinations are down.",
			func(q queueReading, kind store.JobKind) float64 { return q.late[kind].Seconds() }),
		perKind("queue_down", "What is waited for and left alone because it does not answer: of relay destinations, of seal domains that are looked up, of push edges, of hook web hooks.",
			func(q queueReading, kind store.JobKind) float64 { return float64(q.down[kind]) }),
	)
}

func (g *Gateway) readQueue() queueReading {
	q := queueReading{late: make(map[store.JobKind]time.Duration), down: make(map[store.JobKind]int)}
	err := g.Store.View(context.Background(), func(tx store.Tx) (err error) {
		q.totals, err = tx.JobTotals()
		for _, kind := range store.Steps() {
			if err != nil {
				return err
			}
			var first store.Job
			first, err = tx.FirstJob(kind)
			if errors.Is(err, store.ErrNotFound) {
				err = nil
				continue
			}
			q.late[kind] = max(g.Steady().Sub(first.Due), 0)
		}
		return err
	})
	if err != nil {
		g.Log.Warn("the state of the queue cannot be read", "err", err)
	}
	for _, l := range g.DownLanes() {
		if !l.Slow && g.Store.Waits(l.Kind, l.Lane) {
			q.down[l.Kind]++
		}
	}
	return q
}
