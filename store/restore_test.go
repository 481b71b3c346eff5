package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
	"postern/mime"
)

func restored(action audit.Action) audit.Record {
	return audit.Record{Actor: audit.Operator(0), Action: action, Object: "store"}
}

// restore closes the store, puts a copy in its place and opens that.
func (s *testStore) restore(t *testing.T, copied string, older ...KeyWrapper) Restoration {
	t.Helper()
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Restore(context.Background(), s.path, copied, RestoreOptions{Options: s.options, Older: older, Record: restored(audit.Restored)})
	if err != nil {
		t.Fatal(err)
	}
	s.DB, err = Open(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// jobOf adds a job of a kind with a body of its own.
func (s *testStore) jobOf(t *testing.T, kind JobKind) JobID {
	t.Helper()
	w, err := s.NewBody(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	_, err = w.Write(text(100))
	if err != nil {
		t.Fatal(err)
	}
	var id JobID
	err = s.Update(context.Background(), func(tx Tx) error {
		body, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		id, err = tx.Enqueue(Job{Kind: kind, Body: body, Due: time.Now().Add(time.Hour)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *testStore) inbox(t *testing.T) (m Mailbox) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) (err error) {
		m, err = tx.MailboxByName(address(t, "a@b.example"), Inbox)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A restored store holds what the copy does; its mailboxes have another
// UIDVALIDITY, greater than any that was given, and what was on its way out waits.
func TestRestore(t *testing.T) {
	s := fullStore(t)
	jobs := map[JobID]bool{s.jobOf(t, SealJob): true, s.jobOf(t, RelayJob): true, s.jobOf(t, OpenJob): false}
	copied := s.backup(t)
	before := s.inbox(t)
	var later Mailbox
	err := s.Update(context.Background(), func(tx Tx) (err error) {
		later, err = tx.CreateMailbox(address(t, "a@b.example"), "later")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	r := s.restore(t, copied)
	if r.Mailboxes != 1 || r.Held < 2 || r.Rewrapped || len(r.Copy.Problems) > 0 {
		t.Errorf("%+v", r)
	}
	after := s.inbox(t)
	if after.UIDValidity <= max(before.UIDValidity, later.UIDValidity) || after.UIDNext != before.UIDNext || after.Messages != before.Messages {
		t.Errorf("INBOX was %+v and is %+v; another had UIDVALIDITY %d", before, after, later.UIDValidity)
	}
	err = s.View(context.Background(), func(tx Tx) error {
		for id, held := range jobs {
			j, err := tx.Job(id)
			if err != nil || j.Held != held {
				t.Errorf("job %d: %+v, %v", id, j, err)
			}
			if held && j.Attempts > 0 && j.Detail == heldByRestore {
				t.Errorf("job %d has lost the last words of the far side", id)
			}
			events, _ := tx.Events(j.Track) // of those that have a track
			noted := len(events) > 0 && events[len(events)-1].Detail == heldByRestore
			_, err = tx.Track(j.Track)
			if noted != (held && err == nil) {
				t.Errorf("job %d: the events of its track are %+v, %v", id, events, err)
			}
		}
		_, err := tx.MailboxByName(address(t, "a@b.example"), "later")
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("what came after the copy: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	if !s.ends(t, audit.Restored) {
		t.Error("the audit trail says nothing of it")
	}
	now, err := os.ReadFile(copied)
	if err != nil || !bytes.Equal(now, file) {
		t.Errorf("the copy was changed, %v", err)
	}
	kept := &testStore{path: r.Kept, options: s.options}
	kept.options.apart = true
	kept.DB, err = Open(kept.path, kept.options)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	kept.sound(t)
	err = kept.View(context.Background(), func(tx Tx) error {
		_, err := tx.MailboxByName(address(t, "a@b.example"), "later")
		return err
	})
	if err != nil {
		t.Errorf("the store that was replaced: %v", err)
	}
}

// ends reports whether the last record of the trail is of an action.
func (s *testStore) ends(t *testing.T, action audit.Action) bool {
	t.Helper()
	last := ""
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachAudit(1, func(_ uint64, stored []byte) bool {
			last = string(stored)
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(last, `"`+string(action)+`"`)
}

// A copy that was made before the master key was changed is sealed for the new one.
func TestRestoreUnderAnOlderMasterKey(t *testing.T) {
	s := fullStore(t)
	copied, old := s.backup(t), s.options.MasterKey
	s.rotate(t)
	r := s.restore(t, copied, NewMasterKey(), old)
	if !r.Rewrapped || s.MasterKeyID() != s.options.MasterKey.KeyID() {
		t.Errorf("%+v", r)
	}
	s.sound(t)
}

// A store that is damaged, or not there, is restored as well.
func TestRestoreOverDamage(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"gone":      os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"cut off":   func(path string) error { return os.Truncate(path, 8192) },
		"cut short": func(path string) error { return os.Truncate(path, 4096) },
		"no store":  func(path string) error { return os.WriteFile(path, text(64<<10), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fullStore(t)
			copied := s.backup(t)
			err := s.Close()
			if err == nil {
				err = spoil(s.path)
			}
			if err != nil {
				t.Fatal(err)
			}
			r := s.restore(t, copied)
			if (r.Kept == "") != (name == "gone") {
				t.Errorf("%+v", r)
			}
			s.sound(t)
		})
	}
}

// What cannot be restored leaves everything as it was.
func TestRestoreRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		copied func(t *testing.T, s *testStore) string
		want   error
	}{
		"another site's": {func(t *testing.T, _ *testStore) string { return fullStore(t).backup(t) }, ErrMasterKey},
		"not there":      {func(t *testing.T, _ *testStore) string { return filepath.Join(t.TempDir(), "x") }, fs.ErrNotExist},
		"cut off": {func(t *testing.T, s *testStore) string {
			path := s.backup(t)
			err := os.Truncate(path, 8192)
			if err != nil {
				t.Fatal(err)
			}
			return path
		}, ErrCorrupt},
		"inconsistent": {func(t *testing.T, s *testStore) string {
			s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketJobCounts).Put([]byte("x"), u64(1)) })
			return s.backup(t)
		}, ErrCorrupt},
		"newer": {func(t *testing.T, s *testStore) string {
			s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaSchema), u32(schemaVersion+1)) })
			path := s.backup(t)
			s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaSchema), u32(schemaVersion)) })
			return path
		}, ErrSchema},
	} {
		t.Run(name, func(t *testing.T) {
			s := fullStore(t)
			copied := tc.copied(t, s)
			o := RestoreOptions{Options: s.options}
			o.Timeout = 10 * time.Millisecond
			_, err := Restore(context.Background(), s.path, copied, o)
			wantError(t, err, ErrLocked) // the store is in use
			err = s.Close()
			if err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Restore(context.Background(), s.path, copied, o)
			wantError(t, err, tc.want)
			wantError(t, err, ErrCopy)
			after, err := os.ReadFile(s.path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the store was changed, %v", err)
			}
			files, err := os.ReadDir(filepath.Dir(s.path))
			if err != nil || len(files) != 2 { // with audit.end
				t.Errorf("files are left: %v, %v", files, err)
			}
		})
	}
}

// A copy of an earlier schema is carried on.
func TestRestoreOfAnEarlierSchema(t *testing.T) {
	copied, o := storeOf(t, 1)
	path := filepath.Join(t.TempDir(), "store.db")
	r, err := Restore(context.Background(), path, copied, RestoreOptions{Options: o, Record: restored(audit.Restored)})
	if err != nil || r.Kept != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	s := &testStore{path: path, options: o}
	s.DB, err = Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.holdsTheOld(t)
	s.sound(t)
}

// Whoever waited for the store while it was replaced opens the new one, not the
// file that he waited for.
func TestOpenAfterTheStoreWasReplaced(t *testing.T) {
	s := fullStore(t)
	copied := s.backup(t)
	o := s.options
	o.Timeout = time.Minute
	opened := make(chan *DB, 1)
	go func() {
		db, err := Open(s.path, o)
		if err != nil {
			t.Error(err)
		}
		opened <- db
	}()
	next, err := makeNext(s.path, "", restoreEnd)
	if err == nil {
		err = copyFile(context.Background(), next, copied)
	}
	if err == nil {
		err = (&held{path: s.path, bolt: s.bolt}).put(next)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	db := <-opened
	defer db.Close()
	file, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	wantError(t, lock(file), ErrLocked)
}

// What a restore or a compaction that was killed left is removed when the store is
// opened.
func TestOpenRemovesWhatWasLeft(t *testing.T) {
	s := newTestStore(t, Options{})
	for _, end := range []string{restoreEnd, compactEnd} {
		err := os.WriteFile(s.path+end, nil, 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	s.reopen(t)
	left, err := filepath.Glob(s.path + ".*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What was closed since a copy was made is open again when it is restored, and is named,
// unless the store that it replaces cannot tell.
func TestRestoreTellsWhatItOpens(t *testing.T) {
	now := time.Now()
	for how, want := range map[string][]Reopened{
		"after changes": {
			{Account: address(t, "changed@b.example"), Closed: ClosedPassword},
			{Account: address(t, "made.anew@b.example"), Closed: ClosedRemoved},
			{Account: address(t, "removed@b.example"), Closed: ClosedRemoved},
			{Account: address(t, "required@b.example"), Closed: ClosedRequired},
			{Account: address(t, "shut@b.example"), Closed: ClosedDisabled},
			{Account: address(t, "stays@b.example"), Access: "revoked", Name: "phone", Closed: ClosedRevoked},
			{Account: address(t, "changed@b.example"), Address: "@b.example", Closed: ClosedSender},
			{Account: address(t, "changed@b.example"), Address: "removed@b.example", Closed: ClosedSender},
			{Account: address(t, "stays@b.example"), Address: "removed@b.example", Closed: ClosedSender},
			{Account: address(t, "changed@b.example"), Address: "given@b.example", Closed: ClosedAlias},
			{Account: address(t, "stays@b.example"), Address: "regrouped@b.example", Closed: ClosedAlias},
			{Account: address(t, "changed@b.example"), Address: "staff@b.example", Closed: ClosedGroup},
			{Account: address(t, "stays@b.example"), Address: "ward@b.example", Closed: ClosedAlias},
		},
		"another store": nil, "nothing there": nil,
	} {
		t.Run(how, func(t *testing.T) {
			s := newTestStore(t, Options{})
			names := []string{"changed", "made.anew", "removed", "required", "shut", "shut.before", "stays"}
			access := func(a Access, id string) Access {
				a.ID, a.Sum = id, FingerprintOf([]byte(id))
				return a
			}
			account := func(name string) Account {
				a := Account{Address: address(t, name+"@b.example"), Password: "one", Disabled: name == "shut.before"}
				if name == "changed" || name == "stays" || name == "removed" {
					a.Senders = []string{"@b.example", "removed@b.example", "stays@b.example"}
				}
				return a
			}
			leads := func(tx Tx, name string, group bool, to ...string) error {
				a := Alias{Address: address(t, name+"@b.example"), Group: group}
				for _, m := range to {
					a.Members = append(a.Members, account(m).Address)
				}
				return tx.PutAlias(a)
			}
			s.transact(t, func(tx Tx) error {
				err := tx.PutDomain(Domain{Name: "b.example"})
				for _, name := range names {
					err = errors.Join(err, tx.PutAccount(account(name)),
						tx.PutAccess(access(Access{Account: account(name).Address, Kind: Token}, "token."+name)))
				}
				err = errors.Join(err, leads(tx, "ward", false, "stays"), leads(tx, "given", false, "changed"), leads(tx, "kept", false, "stays"),
					leads(tx, "regrouped", false, "stays"), leads(tx, "staff", true, "changed", "stays", "removed", "shut"), leads(tx, "theirs", false, "removed"))
				stays := account("stays").Address
				return errors.Join(err, tx.PutAccess(access(Access{Account: stays, Kind: AppPassword, Name: "phone"}, "revoked")),
					tx.PutAccess(access(Access{Account: stays, Kind: Token, Expires: now.Add(-time.Hour)}, "over")))
			})
			copied := s.backup(t)
			s.transact(t, func(tx Tx) error {
				changed, required, shut := account("changed"), account("required"), account("shut")
				changed.Password, required.CertificateRequired, shut.Disabled = "two", true, true
				stays := account("stays").Address
				changed.Senders = changed.Senders[1:]
				return errors.Join(
					tx.RemoveAlias(address(t, "ward@b.example")), leads(tx, "given", false, "stays"),
					tx.RemoveAlias(address(t, "kept@b.example")), leads(tx, "kept", false, "stays"),
					tx.RemoveAlias(address(t, "regrouped@b.example")), leads(tx, "regrouped", true, "stays"),
					leads(tx, "staff", true, "stays"),
					tx.PutAccount(changed), tx.PutAccount(required), tx.PutAccount(shut),
					tx.RemoveAccess(stays, "revoked"), tx.RemoveAccess(stays, "over"), tx.RemoveAccess(shut.Address, "token.shut"),
					tx.RemoveAccount(account("removed").Address), tx.RemoveAccount(account("made.anew").Address),
					tx.PutAccount(account("made.anew")))
			})
			if how != "after changes" {
				err := errors.Join(s.Close(), os.Remove(s.path), os.RemoveAll(witnessOf(s.path)))
				if err != nil {
					t.Fatal(err)
				}
			}
			if how == "another store" {
				var err error
				s.DB, err = Create(s.path, s.options)
				if err != nil {
					t.Fatal(err)
				}
			}
			r := s.restore(t, copied)
			if diff := cmp.Diff(want, r.Reopened, cmp.Comparer(mime.Address.Same)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
