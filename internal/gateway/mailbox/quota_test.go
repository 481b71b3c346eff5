package mailbox_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
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
	auth := letIn(account)
	u, err := mailbox.New(db, auth, l).Login(t.Context(), login.Attempt{})
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
	u, _, _ := limited(t, 0, mailbox.Options{Bytes: 100 << 10})
	for _, step := range []struct {
		size int
		want error
	}{{100<<10 + 1, pickup.ErrOverQuota}, {60 << 10, nil}, {40<<10 + 1, pickup.ErrOverQuota}} {
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
	if err := appended(t, u, 40<<10); err != nil {
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
		"its own is less": {10 << 10, 1000 << 10, pickup.ErrOverQuota},
		"its own is more": {1000 << 10, 10 << 10, nil},
		"none of its own": {0, 10 << 10, pickup.ErrOverQuota},
		"without limit":   {store.NoQuota, 10 << 10, nil},
		"no limit at all": {0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			u, _, _ := limited(t, tc.quota, mailbox.Options{Bytes: tc.standard})
			if err := appended(t, u, 100<<10); !errors.Is(err, tc.want) {
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

// A message counts as a kibibyte at least, so that copies of small ones fill a
// mailbox too, and no command copies more than can be done at once.
func TestQuotaBoundsTheNumberOfMessages(t *testing.T) {
	u, db, account := limited(t, 0, mailbox.Options{Bytes: 16 << 10})
	if err := appended(t, u, 1); err != nil {
		t.Fatal(err)
	}
	inbox := open(t, u, "INBOX")
	uids := []uint32{1}
	for range 4 { // to 16
		_, err := inbox.Copy(t.Context(), uids, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		uids = uids[:0]
		_, all, err := inbox.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			uids = append(uids, m.UID)
		}
	}
	_, err := inbox.Copy(t.Context(), uids[:1], "INBOX")
	if !errors.Is(err, pickup.ErrOverQuota) {
		t.Errorf("message 17: %v", err)
	}
	many := make([]uint32, 10_001)
	for i := range many {
		many[i] = uint32(i + 1)
	}
	_, err = inbox.Copy(t.Context(), many, "INBOX")
	if !errors.Is(err, pickup.ErrLimit) {
		t.Errorf("a copy of too many: %v", err)
	}
	_, err = inbox.Move(t.Context(), many, "INBOX")
	if !errors.Is(err, pickup.ErrLimit) {
		t.Errorf("a move of too many: %v", err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		for n, want := range map[int64]bool{mailbox.MaxMessages - 16: false, mailbox.MaxMessages - 15: true} {
			over, err := mailbox.OverQuota(tx, account, mailbox.Load{Messages: n}, 0)
			if err != nil || over != want {
				t.Errorf("%d more: %v, %v", n, over, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Many flags are set, and many messages removed, in steps, between which others
// have their turn.
func TestManyChangesGoInSteps(t *testing.T) {
	u, db, account := limited(t, 0, mailbox.Options{})
	if err := appended(t, u, 1); err != nil {
		t.Fatal(err)
	}
	inbox := open(t, u, "INBOX")
	uids := []uint32{1}
	for range 11 { // to 2,048
		_, err := inbox.Copy(t.Context(), uids, "INBOX")
		if err != nil {
			t.Fatal(err)
		}
		for range len(uids) {
			uids = append(uids, uint32(len(uids)+1))
		}
	}
	after, err := inbox.SetFlags(t.Context(), uids, pickup.FlagChange{Op: pickup.AddFlags, Flags: []string{`\Deleted`}})
	if err != nil || len(after) != len(uids) || after[2000].UID != uids[2000] {
		t.Fatalf("%d were changed, %v", len(after), err)
	}
	err = inbox.Expunge(t.Context(), uids)
	if err != nil {
		t.Fatal(err)
	}
	removed := 0
	err = db.View(t.Context(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(account, store.Inbox)
		if err != nil || box.Messages != 0 {
			t.Errorf("%d messages are left, %v", box.Messages, err)
		}
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			if strings.Contains(string(stored), `"action":"removed"`) {
				removed++
			}
			return true
		})
	})
	if err != nil || removed != 5 {
		t.Errorf("%d steps, %v", removed, err)
	}
}
