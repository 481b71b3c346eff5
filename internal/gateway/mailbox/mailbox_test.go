package mailbox_test

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letIn is an account that anybody gets into.
func letIn(account mime.Address) mailbox.Auth {
	return testnet.Auth(func(login.Attempt) (login.Grant, error) {
		return login.Grant{Account: account, Proof: proof.OfPassword(store.Account{})}, nil
	})
}

func loggedIn(t *testing.T) (pickup.User, store.Store) {
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
	err = db.Update(t.Context(), func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: account}) })
	if err != nil {
		t.Fatal(err)
	}
	auth := letIn(account)
	u, err := mailbox.New(db, auth, mailbox.Options{}).Login(t.Context(), login.Attempt{})
	if err != nil {
		t.Fatal(err)
	}
	return u, db
}

func add(t *testing.T, u pickup.User, body string, flags ...string) uint32 {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r, err := u.Append(t.Context(), "INBOX", pickup.NewMessage{Flags: flags, Received: at}, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r.UID
}

func open(t *testing.T, u pickup.User, name string) pickup.Mailbox {
	t.Helper()
	m, err := u.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func list(t *testing.T, m pickup.Mailbox) []pickup.Message {
	t.Helper()
	_, messages, err := m.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

// A copy is the same body, and outlives its original.
func TestCopySharesTheBody(t *testing.T) {
	u, _ := loggedIn(t)
	uid := add(t, u, "body", `\Deleted`, "word")
	err := u.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	inbox, dest := open(t, u, "inbox"), open(t, u, "a/b")
	r, err := inbox.Copy(t.Context(), []uint32{uid, 99}, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]uint32{{uid}, {1}}, [][]uint32{r.From, r.To}); diff != "" {
		t.Error(diff)
	}
	original, copied := list(t, inbox)[0], list(t, dest)[0]
	if copied.Body != original.Body || !copied.Received.Equal(original.Received) {
		t.Errorf("%+v is no copy of %+v", copied, original)
	}
	if diff := cmp.Diff(original.Flags, copied.Flags); diff != "" {
		t.Error(diff)
	}
	err = inbox.Expunge(t.Context(), []uint32{uid})
	if err != nil {
		t.Fatal(err)
	}
	body, err := dest.Body(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(body, 0, body.Size()))
	if err != nil || string(got) != "body" {
		t.Errorf("the copy reads %q, %v", got, err)
	}
	err = dest.Expunge(t.Context(), []uint32{copied.UID})
	if err != nil {
		t.Fatal(err)
	}
	_, err = dest.Body(t.Context(), copied)
	if !errors.Is(err, pickup.ErrNoMessage) {
		t.Errorf("the body without messages: %v", err)
	}
}

func TestMoveIsOneTransaction(t *testing.T) {
	u, _ := loggedIn(t)
	first, second := add(t, u, "one"), add(t, u, "two")
	inbox := open(t, u, "INBOX")
	before := list(t, inbox)
	_, err := inbox.Move(t.Context(), []uint32{first, second}, "nowhere")
	if !errors.Is(err, pickup.ErrNoMailbox) {
		t.Errorf("a move to nowhere: %v", err)
	}
	if diff := cmp.Diff(before, list(t, inbox)); diff != "" {
		t.Errorf("a failed move changed the mailbox: %s", diff)
	}
	err = u.Create(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	since := before[1].ModSeq
	_, err = inbox.Move(t.Context(), []uint32{first, second}, "x")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := inbox.Changes(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint32{first, second}, changes.Expunged); diff != "" {
		t.Error(diff)
	}
	if n := len(list(t, open(t, u, "x"))); n != 2 {
		t.Errorf("%d messages were moved", n)
	}
}

// Only what is marked at the moment of the transaction is removed.
func TestExpungeLooksAgain(t *testing.T) {
	u, _ := loggedIn(t)
	uid := add(t, u, "one")
	inbox := open(t, u, "INBOX")
	err := inbox.Expunge(t.Context(), []uint32{uid})
	if err != nil || len(list(t, inbox)) != 1 {
		t.Errorf("an unmarked message was removed, %v", err)
	}
}

func TestErrorsHaveTheirNames(t *testing.T) {
	u, db := loggedIn(t)
	ctx := t.Context()
	for _, name := range []string{"a", "a/b"} {
		err := u.Create(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
	}
	gone := open(t, u, "a/b")
	for name, tc := range map[string]struct{ got, want error }{
		"create again":   {u.Create(ctx, "a"), pickup.ErrExists},
		"has children":   {u.Delete(ctx, "a"), pickup.ErrHasChildren},
		"delete INBOX":   {u.Delete(ctx, "inbox"), pickup.ErrRefused},
		"rename INBOX":   {u.Rename(ctx, "Inbox", "a/b"), pickup.ErrExists},
		"rename below":   {u.Rename(ctx, "a", "a/c"), pickup.ErrRefused},
		"rename onto":    {u.Rename(ctx, "a/b", "a"), pickup.ErrExists},
		"rename missing": {u.Rename(ctx, "none", "x"), pickup.ErrNoMailbox},
		"subscribe":      {u.Subscribe(ctx, "none", true), pickup.ErrNoMailbox},
		"delete":         {u.Delete(ctx, "a/b"), nil},
		"wait":           {gone.Wait(ctx, 1<<40), pickup.ErrNoMailbox},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: %v, want %v", name, tc.got, tc.want)
		}
	}
	_, _, err := gone.Snapshot(ctx)
	if !errors.Is(err, pickup.ErrNoMailbox) {
		t.Errorf("a mailbox that is gone: %v", err)
	}
	err = db.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.Mailboxes(ctx)
	if !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("a closed store: %v", err)
	}
}
