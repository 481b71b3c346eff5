package mailbox_test

import (
	"errors"
	"strings"
	"testing"

	"postern/httpedge"
	"postern/pickup"
	"postern/store"
)

// What a command brings takes its time: a login that ended meanwhile writes nothing.
func TestALoginThatEndedWritesNothing(t *testing.T) {
	u, db := loggedIn(t)
	uid := add(t, u, "a message")
	box := open(t, u, "INBOX")
	change := func(do func(a *store.Account)) {
		err := db.Update(t.Context(), func(tx store.Tx) error {
			all, err := tx.Accounts()
			if err != nil {
				return err
			}
			do(&all[0])
			return tx.PutAccount(all[0])
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	change(func(a *store.Account) { a.Disabled = true })
	for what, do := range map[string]func() error{
		"APPEND": func() error {
			_, err := u.Append(t.Context(), "INBOX", pickup.NewMessage{}, strings.NewReader("another"))
			return err
		},
		"CREATE": func() error { return u.Create(t.Context(), "Work") },
		"STORE": func() error {
			_, err := box.SetFlags(t.Context(), []uint32{uid}, pickup.FlagChange{Op: pickup.AddFlags, Flags: []string{`\Seen`}})
			return err
		},
		"FETCH": func() error {
			_, err := box.Read(t.Context(), []uint32{uid}, nil)
			return err
		},
		"EXPUNGE": func() error { return box.Expunge(t.Context(), []uint32{uid}) },
	} {
		if err := do(); !errors.Is(err, pickup.ErrRevoked) {
			t.Errorf("%s: %v", what, err)
		}
	}
	change(func(a *store.Account) { a.Disabled = false })
	if all := list(t, box); len(all) != 1 || len(all[0].Flags) != 0 {
		t.Errorf("%+v", all)
	}
	if err := u.Create(t.Context(), "Work"); err != nil {
		t.Error(err)
	}
}

// What was sent to a login before it ended was read, and is marked so.
func TestWhatWasReadBeforeTheEndIsMarked(t *testing.T) {
	r := newReading(t, 2)
	m := r.session()
	a := r.app()
	page, err := a.List(t.Context(), httpedge.InboxQuery{Limit: 2})
	r.must(err)
	_, err = m.Read(t.Context(), []uint32{1}, nil)
	r.must(err)
	_, _, err = a.Open(t.Context(), page.Messages[1].ID)
	r.must(err)
	r.must(r.Store.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: r.account, Disabled: true})
	}))
	r.must(m.Took(t.Context(), []uint32{1}))
	r.must(a.Took(t.Context(), page.Messages[1].ID))
	all, events := r.inbox()
	for i := range all {
		if all[i].Fetched.IsZero() || len(events[i]) != 1 || events[i][0].Stage != store.StagePickup {
			t.Errorf("message %d: %+v", i+1, events[i])
		}
	}
	r.must(r.Store.Update(t.Context(), func(tx store.Tx) error { return tx.RemoveAccount(r.account) }))
	if err = a.Took(t.Context(), page.Messages[0].ID); !errors.Is(err, httpedge.ErrNotFound) {
		t.Errorf("of an account that is gone: %v", err)
	}
}
