package gateway

import (
	"context"

	"postern/internal/metrics"
	"postern/store"
)

// A keptReading is what stays and what went at one moment.
type keptReading struct {
	tracks          int
	pruned, expired uint64
	unread          int
}

// addKept tells what stays behind, and what went for its age.
func (g *Gateway) addKept(r *metrics.Registry) error {
	return metrics.Add(r, g.readKept,
		metrics.Series[keptReading]{Name: "tracks", Help: "Messages whose life is kept.", Samples: func(k keptReading) []metrics.Sample {
			return []metrics.Sample{{Value: float64(k.tracks)}}
		}},
		metrics.Counts("tracks_pruned_total", "Messages whose life was forgotten for its age.", func(k keptReading) uint64 { return k.pruned }),
		metrics.Counts("mail_expired_total", "Messages that left mailboxes for their age.", func(k keptReading) uint64 { return k.expired }),
		metrics.Series[keptReading]{Name: "mail_unread_old", Help: "Messages that nobody has read for longer than their domain keeps what was read; counted once a day.", Samples: func(k keptReading) []metrics.Sample {
			return []metrics.Sample{{Value: float64(k.unread)}}
		}},
	)
}

func (g *Gateway) readKept() keptReading {
	k := keptReading{pruned: g.tidying.tracks.Load(), expired: g.tidying.expired.Load()}
	unread := g.tidying.unread.Load()
	if unread != nil {
		for _, n := range *unread {
			k.unread += n
		}
	}
	err := g.Store.View(context.Background(), func(tx store.Tx) (err error) {
		k.tracks, err = tx.CountTracks()
		return err
	})
	if err != nil {
		g.Log.Warn("the tracks cannot be counted", "err", err)
	}
	return k
}
