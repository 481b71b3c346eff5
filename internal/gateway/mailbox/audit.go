package mailbox

import (
	"fmt"

	"postern/internal/audit"
	"postern/store"
)

// auditObject names a mailbox in the audit trail. A name other than INBOX is its
// owner's, and may be a patient's: it is told by its number.
func auditObject(m store.Mailbox) string {
	if m.Name == store.Inbox {
		return store.Inbox
	}
	return fmt.Sprintf("mailbox %d", m.ID)
}

// auditRemoved records what the owner removed from a mailbox.
func (b *mailbox) auditRemoved(tx store.Tx, gone []store.Message) error {
	if len(gone) == 0 {
		return nil
	}
	box, err := tx.Mailbox(b.id)
	if err != nil {
		return err
	}
	r := audit.Record{
		At: b.options.Now(), Actor: audit.Account(b.account.String()), Action: audit.Removed,
		Object: auditObject(box), Detail: fmt.Sprintf("%d messages, over %s from %s, UID %s", len(gone), b.via, b.remote, uidSet(gone)),
	}
	if len(gone) == 1 {
		r.Track = string(gone[0].Track)
	}
	return tx.Audit(r)
}

// auditDeleted records that the owner removed a mailbox with all that is in it.
func (u *user) auditDeleted(tx store.Tx, m store.Mailbox) error {
	return tx.Audit(audit.Record{
		At: u.options.Now(), Actor: audit.Account(u.account.String()), Action: audit.Removed,
		Object: auditObject(m), Detail: fmt.Sprintf("the mailbox with %d messages, over %s from %s", m.Messages, u.via, u.remote),
	})
}
