package mailbox_test

import (
	"errors"
	"strings"
	"testing"

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
