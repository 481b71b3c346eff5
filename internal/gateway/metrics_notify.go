package gateway

import (
	"context"

	"postern/internal/metrics"
	"postern/store"
)

// A notifyReading is what is known of notifications at one moment.
type notifyReading struct {
	waiting             int
	overdue, suppressed uint64
	hidden              uint64
}

// addNotify tells what becomes of the notifications about our users' messages.
func (g *Gateway) addNotify(r *metrics.Registry) error {
	return metrics.Add(r, g.readNotify,
		metrics.Series[notifyReading]{Name: "notify_waiting", Help: "Messages of our users that wait to be handed over or to be acknowledged.", Samples: func(n notifyReading) []metrics.Sample {
			return []metrics.Sample{{Value: float64(n.waiting)}}
		}},
		metrics.Counts("notify_overdue_total", "Recipients of whom nothing was heard in time, so that the sender was told that the message failed.",
			func(n notifyReading) uint64 { return n.overdue }),
		metrics.Counts("notify_suppressed_total", "Notifications that came and were kept from the sender's mailbox, without those of notify_hidden_total.",
			func(n notifyReading) uint64 { return n.suppressed }),
		metrics.Counts("notify_hidden_total", "Processed notifications that notify.hide_processed kept from the sender's mailbox.",
			func(n notifyReading) uint64 { return n.hidden }),
	)
}

func (g *Gateway) readNotify() notifyReading {
	n := notifyReading{overdue: g.counts.overdue.Load(), suppressed: g.counts.suppressed.Load(), hidden: g.counts.hidden.Load()}
	err := g.Store.View(context.Background(), func(tx store.Tx) error {
		totals, err := tx.JobTotals()
		n.waiting = totals[store.WatchJob].Jobs
		return err
	})
	if err != nil {
		g.Log.Warn("the waits for notifications cannot be read", "err", err)
	}
	return n
}
