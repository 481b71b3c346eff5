package gateway

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// auditNotice records that a sender of ours was told of a failure or a delay: the
// notice is in his mailbox.
func auditNotice(tx store.Tx, at time.Time, track store.TrackID, to mime.Address, n notice) error {
	return tx.Audit(audit.Record{
		At: at, Actor: audit.System, Action: audit.Delivered, Object: n.String(), Track: string(track),
		Parts: []audit.Part{{Recipient: to.String(), State: string(store.TrackDelivered)}},
	})
}

// auditUntold records that a sender could not be told; the track tells whoever asks.
func auditUntold(tx store.Tx, at time.Time, track store.TrackID, to mime.Address, n notice) error {
	return tx.Audit(audit.Record{
		At: at, Actor: audit.System, Action: audit.Delivered, Object: n.String(), Track: string(track), Reason: reason.Internal.String(),
		Parts: []audit.Part{{Recipient: to.String(), Reason: reason.Internal.String()}},
	})
}

// auditKeptAgain records that the original of a message that was judged again, and
// refused, is kept as it was before.
func (c *Core) auditKeptAgain(tx store.Tx, job, kept store.Job) error {
	if !judgedAgain(job) {
		return nil
	}
	r := audit.Record{
		At: c.Now(), Actor: audit.System, Action: audit.Changed, Object: fmt.Sprintf("%s job %d", kept.Kind, kept.ID), Track: string(kept.Track),
		Detail: "refused again, kept until " + c.Wall(kept.Due).UTC().Format(time.RFC3339),
	}
	if kept.Held {
		r.Detail = "refused again, held as before"
	}
	return tx.Audit(r)
}

// auditOriginals records that kept originals of refused messages are gone, and
// which: an operator can no longer look into them.
func auditOriginals(tx store.Tx, at time.Time, gone []store.Job, why string) error {
	if len(gone) == 0 {
		return nil
	}
	r := audit.Record{At: at, Actor: audit.System, Action: audit.Dropped, Object: "kept originals"}
	var tracks []string
	for _, j := range gone {
		tracks = append(tracks, string(j.Track))
	}
	if len(tracks) == 1 {
		r.Track = tracks[0]
	}
	r.Detail = fmt.Sprintf("%d %s: %s", len(gone), why, strings.Join(tracks, " "))
	return tx.Audit(r)
}
