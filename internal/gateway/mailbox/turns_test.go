package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

// Of the sessions of an account one looks into messages at a time, and of all accounts one
// less than there are processors, yet one in any case.
func TestSearchesTakeTurns(t *testing.T) {
	b := everybody(t)
	atOnce := max(1, runtime.GOMAXPROCS(0)-1)
	var ends []func()
	for i := range atOnce {
		done, err := turnOf(b, t, i)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, done)
	}
	for name, account := range map[string]int{"of an account": 0, "of all": atOnce} {
		_, err := turnOf(b, t, account)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: one too many: %v", name, err)
		}
	}
	ends[0]()
	for _, account := range []int{0, atOnce, 0} {
		done, err := turnOf(b, t, account)
		if err != nil {
			t.Fatalf("after the end of another: %v", err)
		}
		done()
	}
}

// Whoever waits longest is next: a session that gives its turn back and wants the next is
// behind all others, of its account and of all.
func TestTurnsGoRound(t *testing.T) {
	b := everybody(t)
	for name, other := range map[string]int{"of an account": 0, "of all": 1} {
		t.Run(name, func(t *testing.T) {
			if other > 0 {
				for i := range runtime.GOMAXPROCS(0) - 2 { // the others but one are held
					done, err := turnOf(b, t, 100+i)
					if err != nil {
						t.Fatal(err)
					}
					defer done()
				}
			}
			mine, err := turnOf(b, t, 0)
			if err != nil {
				t.Fatal(err)
			}
			box := inboxOf(b, t, other)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			got := make(chan func(), 1)
			go func() {
				done, err := box.Turn(ctx)
				if err != nil {
					t.Error(err)
				}
				got <- done
			}()
			for { // until the other one waits, my next turn comes at once
				mine()
				mine, err = turnOf(b, t, 0)
				if err != nil {
					break
				}
			}
			(<-got)()
		})
	}
}

// everybody is a backend that lets in whoever comes.
func everybody(t *testing.T) pickup.Backend {
	db, err := store.Create(filepath.Join(t.TempDir(), "postern.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return mailbox.New(db, testnet.Auth(func(a login.Attempt) (login.Grant, error) {
		account := testnet.Address(t, a.User)
		err := db.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Account(account)
			if errors.Is(err, store.ErrNotFound) {
				err = tx.PutAccount(store.Account{Address: account})
			}
			return err
		})
		return login.Grant{Account: account, Proof: proof.OfPassword(store.Account{})}, err
	}), mailbox.Options{})
}

// inboxOf is INBOX in a new session of an account.
func inboxOf(b pickup.Backend, t *testing.T, account int) pickup.Mailbox {
	t.Helper()
	u, err := b.Login(t.Context(), login.Attempt{User: fmt.Sprintf("n%d@a.example", account)})
	if err != nil {
		t.Fatal(err)
	}
	box, err := u.Open(t.Context(), store.Inbox)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// turnOf asks for a turn in a new session of an account, for a moment.
func turnOf(b pickup.Backend, t *testing.T, account int) (done func(), err error) {
	t.Helper()
	box := inboxOf(b, t, account)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	return box.Turn(ctx)
}
