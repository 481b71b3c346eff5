package mailbox_test

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/pickup"
	"postern/store"
)

// RENAME of INBOX with more messages than one transaction moves: each is in one of the
// two mailboxes at any time, in its order, also when it ends on the way.
func TestRenameInboxStepByStep(t *testing.T) {
	const step, messages = 10_000, 10_003
	r := newReading(t, messages)
	b := mailbox.New(&breaking{Store: r.Store, after: 1}, letIn(r.account), mailbox.Options{})
	u, err := b.Login(t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.7")}})
	r.must(err)
	counts := func(name string) (n uint32, next uint32) {
		info, all, err := open(t, u, name).Snapshot(t.Context())
		r.must(err)
		for i, m := range all {
			if name != store.Inbox && m.UID != uint32(i+1) {
				t.Fatalf("message %d of %s has UID %d", i, name, m.UID)
			}
		}
		return info.Messages, info.UIDNext
	}
	err = u.Rename(t.Context(), "INBOX", "2026/old")
	if !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	if n, _ := counts("2026/old"); n != step {
		t.Errorf("%d messages were moved by the first step", n)
	}
	if n, next := counts(store.Inbox); n != messages-step || next != messages+1 {
		t.Errorf("%d messages are left, the next has UID %d", n, next)
	}
	r.must(u.Rename(t.Context(), "INBOX", "2026/rest"))
	rest, _ := counts("2026/rest")
	left, next := counts(store.Inbox)
	if rest != messages-step || left != 0 || next != messages+1 {
		t.Errorf("%d messages were moved, %d left, the next has UID %d", rest, left, next)
	}
	err = u.Rename(t.Context(), "INBOX", "2026/rest")
	if !errors.Is(err, pickup.ErrExists) {
		t.Errorf("again: %v", err)
	}
	r.must(u.Rename(t.Context(), "INBOX", "INBOX/empty"))
	report, err := r.Check(t.Context())
	r.must(err)
	if len(report.Problems) > 0 {
		t.Errorf("%v", report.Problems)
	}
}

var errBroken = errors.New("the disk is gone")

// A breaking store fails once, after so many transactions.
type breaking struct {
	store.Store
	after int
}

func (b *breaking) Update(ctx context.Context, fn func(store.Tx) error) error {
	b.after--
	if b.after == -1 {
		return errBroken
	}
	return b.Store.Update(ctx, fn)
}
