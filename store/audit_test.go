package store

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
	"postern/internal/testnet"
)

// audited writes n records in a transaction each, the first of them number from.
func (s *testStore) audited(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		s.transact(t, func(tx Tx) error {
			return tx.Audit(audit.Record{Actor: audit.System, Action: audit.Sealed, Object: fmt.Sprint(i)})
		})
	}
}

func (s *testStore) transact(t testing.TB, fn func(Tx) error) {
	t.Helper()
	err := s.Update(context.Background(), fn)
	if err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) checkpoint(t testing.TB) (c audit.Checkpoint) {
	t.Helper()
	s.transact(t, func(tx Tx) (err error) {
		c, err = tx.Checkpoint()
		return err
	})
	return c
}

func (s *testStore) verify(t testing.TB, outside ...audit.Checkpoint) (r audit.Report) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) (err error) {
		r, err = tx.VerifyAudit(context.Background(), outside)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAuditOfAnEmptyStore(t *testing.T) {
	s := newTestStore(t, Options{})
	if diff := cmp.Diff(audit.Report{}, s.verify(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	err := s.View(context.Background(), func(tx Tx) error {
		_, err := tx.AuditKey()
		wantError(t, err, ErrNotFound)
		_, err = tx.LastCheckpoint()
		wantError(t, err, ErrNotFound)
		wantError(t, tx.Audit(audit.Record{}), ErrReadOnly)
		_, err = tx.PruneAudit(time.Now(), 1)
		wantError(t, err, ErrReadOnly)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(context.Background(), func(tx Tx) error {
		_, err := tx.Checkpoint()
		return err
	})
	wantError(t, err, ErrNotFound)
	s.sound(t)
}

// Transactions of one batch follow each other in the chain, and what was rolled
// back leaves no gap, however they come together.
func TestAuditOfBatches(t *testing.T) {
	s := newTestStore(t, Options{})
	no := errors.New("no")
	const writers, each = 16, 40
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				fails := (w+i)%4 == 0
				err := s.Update(context.Background(), func(tx Tx) error {
					err := tx.Audit(audit.Record{Action: audit.Sealed, Object: fmt.Sprintf("%d.%d", w, i)})
					if err == nil && fails {
						return no
					}
					return err
				})
				if fails != errors.Is(err, no) || !fails && err != nil {
					t.Errorf("%d.%d: %v", w, i, err)
				}
			}
		})
	}
	all.Wait()
	got := s.verify(t)
	want := writers * each * 3 / 4
	if got.Problem != nil || int(got.Entries) != want {
		t.Errorf("%d records of %d, %v", got.Entries, want, got.Problem)
	}
	s.reopen(t)
	s.audited(t, 1)
	s.sound(t)
}

func TestCheckpointsAreSignedEveryThousandRecords(t *testing.T) {
	s := newTestStore(t, Options{Now: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }})
	s.transact(t, func(tx Tx) error {
		var err error
		for range 2*audit.CheckpointEvery + 1 {
			err = errors.Join(err, tx.Audit(audit.Record{Action: audit.Sealed}))
		}
		return err
	})
	first := s.checkpoint(t)
	again := s.checkpoint(t)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("what was signed is signed again\n%s", diff)
	}
	var numbers []uint64
	err := s.View(context.Background(), func(tx Tx) error {
		key, err := tx.AuditKey()
		if err != nil {
			return err
		}
		return tx.EachCheckpoint(0, func(c audit.Checkpoint) bool {
			if !c.Verify(key) {
				t.Errorf("%s is not signed", c)
			}
			numbers = append(numbers, c.Number)
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{1000, 2000, 2001}, numbers); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.reopen(t)
	if got := s.verify(t, first); got.Problem != nil || got.Checkpoints != 3 || got.Outside != 1 {
		t.Errorf("%+v", got)
	}
}

func TestPruneAudit(t *testing.T) {
	clock := testnet.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) // the store looks at it when it likes
	s := newTestStore(t, Options{Now: clock.Now})
	for range 3 {
		s.audited(t, 10)
		s.checkpoint(t)
		clock.Advance(24 * time.Hour)
	}
	prune := func(before time.Time, limit int) (n int) {
		t.Helper()
		s.transact(t, func(tx Tx) (err error) {
			n, err = tx.PruneAudit(before, limit)
			return err
		})
		return n
	}
	if n := prune(clock.Now().Add(-100*time.Hour), 100); n != 0 {
		t.Errorf("%d went that are not old enough", n)
	}
	want := audit.Report{First: 1, Last: 30, Entries: 30, Checkpoints: 3, Witness: 30}
	if diff := cmp.Diff(want, s.verify(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for i, n := range []int{7, 7, 6, 0} {
		if got := prune(clock.Now().Add(-24*time.Hour), 7); got != n {
			t.Errorf("round %d took %d, not %d", i, got, n)
		}
	}
	want = audit.Report{First: 21, Last: 33, Entries: 13, Checkpoints: 1, Witness: 30}
	if diff := cmp.Diff(want, s.verify(t)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.sound(t)
	clock.Advance(1000 * time.Hour)
	if n := prune(clock.Now(), 1000); n != 13 {
		t.Errorf("%d of all went", n)
	}
	s.reopen(t)
	s.audited(t, 1)
	s.checkpoint(t)
	s.sound(t)
}

// Somebody who changes the file and has no master key is found out. The trail has
// 30 records, and checkpoints at 10, 20 and 30.
func TestAuditFindsWhatWasDoneToTheFile(t *testing.T) {
	stolen := newTestStore(t, Options{}) // a trail that fits, of another store
	stolen.audited(t, 25)
	for name, tt := range map[string]struct {
		tamper func(testing.TB, *bolt.Tx) error
		want   audit.Problem
	}{
		"a changed byte": {func(_ testing.TB, b *bolt.Tx) error {
			return editAudit(b, 15, func(v []byte) { v[len(v)/2] ^= 1 })
		}, audit.Problem{Kind: audit.WasChanged, From: 15, To: 15}},
		"a removed record": {func(_ testing.TB, b *bolt.Tx) error {
			return in(b, bucketAudit).Delete(u64(15))
		}, audit.Problem{Kind: audit.WasRemoved, From: 15, To: 15}},
		"an inserted record": {func(t testing.TB, b *bolt.Tx) error {
			return errors.Join(moveAudit(b, 15, 30), in(b, bucketAudit).Put(u64(15), forgedAudit(t, b, 15)))
		}, audit.Problem{Kind: audit.WasInserted, From: 15, To: 15}},
		"swapped records": {func(_ testing.TB, b *bolt.Tx) error {
			x, y := auditValue(b, 5), auditValue(b, 16)
			return errors.Join(in(b, bucketAudit).Put(u64(5), y), in(b, bucketAudit).Put(u64(16), x))
		}, audit.Problem{Kind: audit.WasSwapped, From: 5, To: 16}},
		"a truncated tail": {func(_ testing.TB, b *bolt.Tx) error {
			return cutAudit(b, bucketAudit, 25)
		}, audit.Problem{Kind: audit.WasTruncated, From: 25, To: 30}},
		"a tail truncated with its checkpoints": {func(_ testing.TB, b *bolt.Tx) error {
			return errors.Join(cutAudit(b, bucketAudit, 25), cutAudit(b, bucketCheckpoints, 25))
		}, audit.Problem{Kind: audit.WasTruncated, From: 25, To: 30}},
		"a truncated tail with an end of another store": {func(t testing.TB, b *bolt.Tx) error {
			var head []byte
			stolen.raw(t, func(b *bolt.Tx) error {
				head = slices.Clone(in(b, bucketMeta).Get([]byte(metaAuditHead)))
				return nil
			})
			return errors.Join(cutAudit(b, bucketAudit, 26), cutAudit(b, bucketCheckpoints, 25),
				in(b, bucketMeta).Put([]byte(metaAuditHead), head))
		}, audit.Problem{Kind: audit.HeadForged, From: 25, To: 25}},
		"a trail that is gone": {func(_ testing.TB, b *bolt.Tx) error {
			return errors.Join(cutAudit(b, bucketAudit, 1), cutAudit(b, bucketCheckpoints, 1),
				in(b, bucketMeta).Delete([]byte(metaAuditHead)), in(b, bucketMeta).Delete([]byte(metaAuditKey)))
		}, audit.Problem{Kind: audit.HeadForged}},
		"a chain made anew": {func(t testing.TB, b *bolt.Tx) error {
			return rebuildAudit(t, b, 15, 30)
		}, audit.Problem{Kind: audit.WasRewritten, From: 11, To: 20}},
		"a chain made anew without its checkpoints": {func(t testing.TB, b *bolt.Tx) error {
			return errors.Join(rebuildAudit(t, b, 15, 30), cutAudit(b, bucketCheckpoints, 11))
		}, audit.Problem{Kind: audit.WasRewritten, From: 11, To: 30}},
		"a forged checkpoint": {func(t testing.TB, b *bolt.Tx) error {
			c, err := readCheckpoint(in(b, bucketCheckpoints).Get(u64(20)))
			if err != nil {
				return err
			}
			_, other, err := ed25519.GenerateKey(nil)
			return errors.Join(err, in(b, bucketCheckpoints).Put(u64(20), []byte(c.Sign(other).String())))
		}, audit.Problem{Kind: audit.CheckpointForged, From: 20, To: 20}},
		"a removed checkpoint": {func(_ testing.TB, b *bolt.Tx) error {
			return in(b, bucketCheckpoints).Delete(u64(20))
		}, audit.Problem{Kind: audit.CheckpointMissing, From: 20, To: 20}},
		"the oldest cut off": {func(_ testing.TB, b *bolt.Tx) error {
			return errors.Join(in(b, bucketAudit).Delete(u64(1)), in(b, bucketAudit).Delete(u64(2)))
		}, audit.Problem{Kind: audit.WasRemoved, From: 1, To: 2}},
		"another signing key": {func(_ testing.TB, b *bolt.Tx) error {
			return in(b, bucketMeta).Put([]byte(metaAuditKey), make([]byte, 80))
		}, audit.Problem{Kind: audit.CheckpointForged, From: 10, To: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			for range 3 {
				s.audited(t, 10)
				s.checkpoint(t)
			}
			s.sound(t)
			s.raw(t, func(b *bolt.Tx) error { return tt.tamper(t, b) })
			s.reopen(t)
			got := s.verify(t)
			if got.Problem == nil {
				t.Fatal("nothing was found")
			}
			if diff := cmp.Diff(tt.want, *got.Problem); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if p := s.problems(t); !slices.ContainsFunc(p, func(s string) bool { return strings.HasPrefix(s, "audit trail: ") }) {
				t.Errorf("check found %q", p)
			}
		})
	}
}

// What was set back as a whole is a whole store: only what was kept elsewhere
// tells.
func TestCheckpointsKeptElsewhereTellOfARollback(t *testing.T) {
	s := newTestStore(t, Options{})
	s.audited(t, 5)
	before := s.checkpoint(t)
	var saved strings.Builder
	_, err := s.Backup(context.Background(), &saved)
	if err != nil {
		t.Fatal(err)
	}
	s.audited(t, 5)
	after := s.checkpoint(t)
	if got := s.verify(t, before, after); got.Problem != nil || got.Outside != 2 {
		t.Errorf("%+v", got)
	}
	back := copyOf(t, s, saved.String())
	if got := back.verify(t); got.Problem != nil {
		t.Errorf("%+v", got)
	}
	want := &audit.Problem{Kind: audit.WasTruncated, From: 6, To: 10}
	if diff := cmp.Diff(want, back.verify(t, before, after).Problem); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	back.audited(t, 7) // and goes on as if nothing had been
	want = &audit.Problem{Kind: audit.WasRewritten, From: 6, To: 10}
	if diff := cmp.Diff(want, back.verify(t, before, after).Problem); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Nothing is done that cannot be recorded.
func TestNothingIsWrittenBehindAForgedEnd(t *testing.T) {
	s := newTestStore(t, Options{})
	s.audited(t, 3)
	s.raw(t, func(b *bolt.Tx) error { return in(b, bucketMeta).Delete([]byte(metaAuditHead)) })
	err := s.Update(context.Background(), func(tx Tx) error { return tx.Audit(audit.Record{}) })
	wantError(t, err, ErrCorrupt)
}

// Checkpoints of a trail that a restore left are told as that, also beside newer ones
// that agree, and what was done to the trail since is told first.
func TestCheckpointsKeptThroughARestore(t *testing.T) {
	s := fullStore(t)
	s.audited(t, 3)
	kept := []audit.Checkpoint{s.checkpoint(t)}
	copied := s.backup(t)
	s.audited(t, 20)
	kept = append(kept, s.checkpoint(t))
	r := s.restore(t, copied)
	if r.Kept == "" {
		t.Fatal("nothing was replaced")
	}
	is := func(when string, left int, want audit.Fault) {
		t.Helper()
		got := s.verify(t, kept...)
		if got.Problem == nil || got.Problem.Kind != want || got.Left != left {
			t.Errorf("%s: %+v, %d left", when, got.Problem, got.Left)
		}
	}
	is("just restored", 1, audit.WasRestored)
	kept = append(kept, s.checkpoint(t))
	is("with a newer one", 1, audit.WasRestored)
	s.audited(t, 30)
	kept = append(kept, s.checkpoint(t))
	is("longer than it was", 1, audit.WasRestored)
	if got := s.verify(t, kept[0], kept[2], kept[3]); got.Problem != nil || got.Outside != 3 {
		t.Errorf("without what was left: %+v", got.Problem)
	}
}
