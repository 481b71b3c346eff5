package gateway

import (
	"context"
	"strings"

	"postern/mime"
	"postern/store"
)

// isEcho reports whether a message is an automatic answer to a notification that
// an account of ours sent, as a careless out-of-office program makes one. It gets
// no notification: the two would never end (RFC 3834 §2, AS-86).
func (p *part) isEcho(ctx context.Context, to mime.Address) (bool, error) {
	h := p.opened.Header
	kind, _, _ := strings.Cut(h.Get("Auto-Submitted"), ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if kind == "" || kind == "no" {
		return false, nil
	}
	echo := false
	err := p.Store.View(ctx, func(tx store.Tx) error {
		for _, id := range mime.RepliesTo(h) {
			err := tx.EachTrack(store.TrackQuery{MessageID: id}, func(t store.Track) bool {
				echo = t.Outbound && t.Automatic && t.Sender.Same(to)
				return !echo
			})
			if err != nil || echo {
				return err
			}
		}
		return nil
	})
	return echo, err
}
