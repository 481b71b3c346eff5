package mailbox_test

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/gateway/mailbox"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// limited logs in to an account with a quota of its own, or 0.
func limited(t *testing.T, quota int64, l mailbox.Options) (pickup.User, store.Store, mime.Address) {
	t.Helper()
	db, err := store.Create(filepath.Join(t.TempDir(), "postern.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	account, err := mime.ParseAddress("alice@a.example")
	if err != nil {
		t.Fatal(err)
	}
	a := store.Account{Address: account, Quota: quota}
	err = db.Update(t.Context(), func(tx store.Tx) error { return tx.PutAccount(a) })
	if err != nil {
		t.Fatal(err)
	}
	auth := func(context.Context, string, string, netip.Addr) (store.Account, error) { return a, nil }
	u, err := mailbox.New(db, auth, l).Login(t.Context(), "", "", netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	return u, db, account
}

func appended(t *testing.T, u pickup.User, size int) error {
	_, err := u.Append(t.Context(), "INBOX", pickup.NewMessage{}, strings.NewReader(strings.Repeat("x", size)))
	return err
}

// A mailbox takes what fits exactly, and no more; copies count, moves do not.
func TestQuotaBoundsAppendAndCopy(t *testing.T) {
	u, _, _ := limited(t, 0, mailbox.Options{Bytes: 100})
	for _, step := range []struct {
		size int
		want error
	}{{101, pickup.ErrOverQuota}, {60, nil}, {41, pickup.ErrOverQuota}} {
		if err := appended(t, u, step.size); !errors.Is(err, step.want) {
			t.Fatalf("%d bytes: %v, want %v", step.size, err, step.want)
		}
	}
	err := u.Create(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	inbox := open(t, u, "INBOX")
	_, err = inbox.Copy(t.Context(), []uint32{1}, "x")
	if !errors.Is(err, pickup.ErrOverQuota) {
		t.Errorf("a copy: %v", err)
	}
	_, err = inbox.Move(t.Context(), []uint32{1}, "x")
	if err != nil {
		t.Errorf("a move: %v", err)
	}
	if err := appended(t, u, 40); err != nil {
		t.Errorf("the last bytes: %v", err)
	}
	if err := appended(t, u, 0); !errors.Is(err, pickup.ErrOverQuota) {
		t.Errorf("a full mailbox takes an empty message: %v", err)
	}
}

// A quota of the account's own goes before the one of all.
func TestQuotaOfAnAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		quota, standard int64
		want            error
	}{
		"its own is less": {10, 1000, pickup.ErrOverQuota},
		"its own is more": {1000, 10, nil},
		"none of its own": {0, 10, pickup.ErrOverQuota},
		"without limit":   {store.NoQuota, 10, nil},
		"no limit at all": {0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			u, _, _ := limited(t, tc.quota, mailbox.Options{Bytes: tc.standard})
			if err := appended(t, u, 100); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// Without space for more nothing is taken; what takes none goes on.
func TestNoRoomRefusesWhatIsNew(t *testing.T) {
	var room error
	u, _, _ := limited(t, 0, mailbox.Options{Room: func() error { return room }})
	err := appended(t, u, 10)
	if err != nil {
		t.Fatal(err)
	}
	err = u.Create(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	room = errors.New("the disk is full")
	if err := appended(t, u, 10); !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("a new message: %v", err)
	}
	inbox := open(t, u, "INBOX")
	_, err = inbox.Copy(t.Context(), []uint32{1}, "x")
	if !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("a copy: %v", err)
	}
	_, err = inbox.Move(t.Context(), []uint32{1}, "x")
	if err != nil {
		t.Errorf("a move: %v", err)
	}
}
