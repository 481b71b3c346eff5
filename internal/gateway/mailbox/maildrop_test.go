package mailbox_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/pickup"
	"postern/pickup/pop3"
	"postern/store"
)

func (r *reading) maildrop(b pop3.Backend) pop3.Maildrop {
	r.t.Helper()
	u, err := b.Login(r.t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.7")}})
	r.must(err)
	d, err := u.Take(r.t.Context())
	r.must(err)
	return d
}

func (r *reading) pop3() pop3.Backend {
	return mailbox.NewPOP3(r, letIn(r.account), mailbox.Options{Now: func() time.Time { return r.now }})
}

// What is read and removed over POP3 is recorded as such, each once.
func TestEP18_AuditOverPOP3(t *testing.T) {
	r := newReading(t, 700)
	d := r.maildrop(r.pop3())
	ctx := t.Context()
	for _, seen := range []bool{true, false} {
		r.must(d.Read(ctx, []uint32{2}, seen))
		r.must(d.Took(ctx, []uint32{2}))
	}
	r.must(d.Read(ctx, []uint32{701}, true)) // there is nothing to note
	_, messages, err := d.Snapshot(ctx)
	r.must(err)
	_, err = d.Body(ctx, messages[699])
	r.must(err)
	messages[699].UID++
	_, err = d.Body(ctx, messages[699])
	if !errors.Is(err, pickup.ErrNoMessage) {
		t.Errorf("the body of what is not there: %v", err)
	}
	if m := messages[1]; len(m.Flags) != 1 || m.Flags[0] != `\Seen` {
		t.Errorf("after reading: %+v", m)
	}
	uids := []uint32{2, 701}
	for uid := uint32(101); uid <= 650; uid++ {
		uids = append(uids, uid)
	}
	n, err := d.Remove(ctx, uids)
	r.must(err)
	equal := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", what, diff)
		}
	}
	equal("removed", n, len(uids))
	var got []string
	for _, rec := range r.trail {
		got = append(got, fmt.Sprintf("%s %s %s %s", rec.Actor, rec.Action, rec.Object, rec.Detail))
	}
	equal("records", got, []string{
		"account:alice@a.example fetched INBOX over POP3 from 192.0.2.7, UID 2",
		"account:alice@a.example removed INBOX 499 messages, over POP3 from 192.0.2.7, UID 2,101:598",
		"account:alice@a.example removed INBOX 52 messages, over POP3 from 192.0.2.7, UID 599:650",
	})
	_, messages, err = d.Snapshot(ctx)
	r.must(err)
	equal("left", len(messages), 700-551)
}

// A removal that fails says how many are gone, and takes none of the others.
func TestRemovingOverPOP3Fails(t *testing.T) {
	r := newReading(t, 3)
	d := r.maildrop(r.pop3())
	r.fails = store.ErrFull
	n, err := d.Remove(t.Context(), []uint32{1, 2, 3})
	if n != 0 || !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("%d, %v", n, err)
	}
	r.fails = nil
	_, messages, err := d.Snapshot(t.Context())
	r.must(err)
	if len(messages) != 3 {
		t.Errorf("%d are left", len(messages))
	}
}

// RFC 1939 §3: a maildrop is for one session, whichever listener it comes by.
func TestEP18_OneSessionHasTheMaildrop(t *testing.T) {
	r := newReading(t, 1)
	b := r.pop3()
	d := r.maildrop(b)
	u, err := b.Login(t.Context(), login.Attempt{})
	r.must(err)
	_, err = u.Take(t.Context())
	if !errors.Is(err, pop3.ErrInUse) {
		t.Errorf("a second session: %v", err)
	}
	d.Release()
	d.Release()
	again, err := u.Take(t.Context())
	r.must(err)
	d.Release() // of another session's by now
	_, err = u.Take(t.Context())
	if !errors.Is(err, pop3.ErrInUse) {
		t.Errorf("after a late release: %v", err)
	}
	again.Release()
}

// A session that says nothing keeps nobody out who has the address next.
func TestEP18_TheMaildropIsOfAnAccountAndNotOfTheNext(t *testing.T) {
	r := newReading(t, 1)
	b := r.pop3()
	d := r.maildrop(b)
	defer d.Release()
	r.must(r.Update(t.Context(), func(tx store.Tx) error {
		was, err := tx.Account(r.account)
		return errors.Join(err, tx.RemoveAccount(r.account), tx.PutAccount(was))
	}))
	u, err := b.Login(t.Context(), login.Attempt{})
	r.must(err)
	next, err := u.Take(t.Context())
	r.must(err)
	next.Release()
}
