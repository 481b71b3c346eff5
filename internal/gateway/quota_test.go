package gateway

import (
	"strings"
	"testing"

	"postern/mime"
	"postern/store"
)

// A full mailbox is told at RCPT TO on both ways, and only of an account that is
// there; notifications have a reserve beyond it.
func TestMailboxQuotaAtTheDoor(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example", "carol@b.example")
	b.MailboxBytes = 1000
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
	doors := map[string]func(mime.Address) error{
		"backbone":   func(to mime.Address) error { return Backbone{b.Core}.CheckRecipient(t.Context(), to) },
		"submission": func(to mime.Address) error { return Submission{b.Core}.CheckRecipient(t.Context(), to, to) },
	}
	check := func(when, bob string) {
		t.Helper()
		for name, door := range doors {
			equal(t, name+" "+when, reasonOf(door(addr(t, "bob@b.example"))), bob)
			equal(t, name+", another", reasonOf(door(addr(t, "carol@b.example"))), "ok")
			equal(t, name+", nobody", reasonOf(door(addr(t, "nobody@b.example"))), "unknown-recipient")
		}
	}
	fill(999)
	check("with a byte left", "ok")
	fill(1)
	check("full", "mailbox-full")
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
	b.MailboxBytes = 0
	check("without a limit", "ok")
}
