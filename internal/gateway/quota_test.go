package gateway

import (
	"strings"
	"testing"

	"postern/mime"
	"postern/store"
)

// A full mailbox takes no mail, and notifications up to a reserve; the door does not
// tell of it.
func TestMailboxQuota(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example", "carol@b.example")
	b.MailboxBytes = 1 << 10
	fill := func(size int) {
		t.Helper()
		body, err := b.Store.NewBody(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer body.Discard()
		_, err = body.Write([]byte(strings.Repeat("x", size)))
		if err != nil {
			t.Fatal(err)
		}
		b.update(func(tx store.Tx) error {
			inbox, err := tx.MailboxByName(addr(t, "bob@b.example"), store.Inbox)
			if err != nil {
				return err
			}
			id, err := tx.PutBody(body)
			if err != nil {
				return err
			}
			_, err = tx.Append(inbox.ID, store.Message{Body: id})
			return err
		})
	}
	fill(1 << 10)
	over := func(ask func(store.Tx, mime.Address, int64) (bool, error), bytes int64) (full bool) {
		t.Helper()
		b.view(func(tx store.Tx) (err error) {
			full, err = ask(tx, addr(t, "bob@b.example"), bytes)
			return err
		})
		return full
	}
	equal(t, "mail", over(b.overQuota, 1), true)
	equal(t, "a notification", over(b.overNoticeQuota, noticeReserve), false)
	equal(t, "beyond the reserve", over(b.overNoticeQuota, noticeReserve+1), true)
	equal(t, "at RCPT TO", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, "bob@b.example"))), "ok")
	b.MailboxBytes = 0
	equal(t, "without a limit", over(b.overQuota, 1), false)
}
