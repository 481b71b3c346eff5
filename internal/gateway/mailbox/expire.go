package mailbox

import (
	"errors"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// Expire removes messages from a mailbox for their age, by a rule such as "read
// more than 90d ago", and tells their tracks and the audit trail.
func Expire(tx store.Tx, box store.Mailbox, old []store.Message, now time.Time, rule string) error {
	if len(old) == 0 {
		return nil
	}
	for _, m := range old {
		err := tx.Expunge(box.ID, m.UID)
		if err != nil {
			return err
		}
		if m.Track == "" {
			continue
		}
		err = tx.AddEvent(m.Track, store.Event{
			At: now, Stage: store.StagePickup, Recipient: box.Account, Reason: "ok",
			Detail: fmt.Sprintf("left the mailbox: %s, UID %d", rule, m.UID),
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) { // tracks may be pruned before
			return err
		}
	}
	return tx.Audit(audit.Record{
		At: now, Actor: audit.System, Action: audit.Removed, Object: box.Account.String() + " " + auditObject(box),
		Detail: fmt.Sprintf("%d messages, %s, UID %s", len(old), rule, uidSet(old)),
	})
}
