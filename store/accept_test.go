package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/mime"
)

// untold changes rows in the store's own way, and the trail hears nothing of it.
func (s *testStore) untold(t testing.TB, fn func(*tx) error) {
	t.Helper()
	err := s.update(context.Background(), func(t *tx) error {
		err := fn(t)
		t.left = leftRows{}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Rows that are not as the trail says stay so for as long as it does. They cost neither
// the backups that are made since nor the store's compaction, and who accepted them is
// in the trail.
func TestRowsThatDifferAreAcceptedByRestoreAndCompact(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		action audit.Action
		again  func(t *testing.T, s *testStore, from string) (CheckReport, error)
	}{
		"restore": {audit.Restored, func(t *testing.T, s *testStore, from string) (CheckReport, error) {
			r, err := Restore(ctx, s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Accept: true})
			return r.Copy, err
		}},
		"restore elsewhere": {audit.Restored, func(t *testing.T, s *testStore, from string) (CheckReport, error) {
			s.path = t.TempDir() + "/postern.db"
			r, err := Restore(ctx, s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Accept: true})
			return r.Copy, err
		}},
		"compact": {audit.Changed, func(t *testing.T, s *testStore, from string) (CheckReport, error) {
			c, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Accept: true})
			return c.Store, err
		}},
		"compact by way of another disk": {audit.Changed, func(t *testing.T, s *testStore, from string) (CheckReport, error) {
			c, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: t.TempDir(), Accept: true})
			return c.Store, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.house(t)
			s.untold(t, func(tx *tx) error { return tx.Expunge(1, 1) })
			s.untold(t, func(tx *tx) error {
				return tx.PutAccount(Account{Address: address(t, "nurse@b.example"), Password: "three"})
			})
			s.untold(t, func(tx *tx) error { // restore holds it, which a record tells before
				_, err := tx.Enqueue(Job{Kind: RelayJob, Body: 1, Due: time.Now().Add(time.Hour), Recipients: []mime.Address{address(t, "eve@e.example")}})
				return err
			})
			before := s.verify(t)
			if before.Problem != nil || before.Differing != 3 || len(s.problems(t)) != 3 {
				t.Fatalf("%+v %q", before, s.problems(t))
			}
			from := s.backup(t)
			copied, err := CheckCopy(ctx, from, s.options.MasterKey)
			if err != nil || copied.Differing != 3 || copied.Damage != 0 || copied.Damaged("it") != nil {
				t.Errorf("the copy: %+v, %v", copied, err)
			}
			err = s.Close()
			if err != nil {
				t.Fatal(err)
			}
			report, err := tt.again(t, s, from)
			if err != nil {
				t.Fatal(err)
			}
			if report.Differing != 3 || report.Damage != 0 || len(report.Problems) != 3 {
				t.Errorf("%+v", report)
			}
			s.reopen(t)
			s.sound(t)
			after := s.verify(t)
			if !after.Whole() || after.Rows == 0 {
				t.Errorf("after it: %+v", after)
			}
			last := s.entry(t, tt.action)
			if len(last.Rows) != 3 {
				t.Errorf("%+v", last)
			}
			for _, d := range before.Differences {
				if !strings.Contains(last.Detail, d.Row) {
					t.Errorf("the record says nothing of %s: %q", d.Row, last.Detail)
				}
			}
		})
	}
}

// Nobody is asked whether rows that differ are right: what nobody accepts differs as
// before, also where restore itself changes the row.
func TestRowsThatDifferAreCarriedOn(t *testing.T) {
	ctx := context.Background()
	for name, again := range map[string]func(s *testStore, from string) error{
		"restore": func(s *testStore, from string) error {
			_, err := Restore(ctx, s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored)})
			return err
		},
		"compact": func(s *testStore, _ string) error {
			_, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.house(t)
			s.untold(t, func(tx *tx) error {
				err := tx.Expunge(1, 1)
				if err == nil {
					err = tx.PutAccount(Account{Address: address(t, "nurse@b.example"), Password: "three"})
				}
				if err == nil {
					_, err = tx.Enqueue(Job{Kind: RelayJob, Body: 1, Due: time.Now().Add(time.Hour), Recipients: []mime.Address{address(t, "eve@e.example")}})
				}
				return err
			})
			rows := func() (rows []string) {
				for _, d := range s.verify(t).Differences {
					rows = append(rows, d.Row)
				}
				slices.Sort(rows)
				return rows
			}
			before, from := rows(), s.backup(t)
			if len(before) != 3 {
				t.Fatalf("%q", before)
			}
			for range 2 {
				err := s.Close()
				if err == nil {
					err = again(s, from)
				}
				if err != nil {
					t.Fatal(err)
				}
				s.reopen(t)
				if diff := cmp.Diff(before, rows()); diff != "" {
					t.Errorf("(-before +after)\n%s", diff)
				}
				if r := s.verify(t); r.Problem != nil {
					t.Error(r.Problem)
				}
			}
		})
	}
}

// A run that was broken off has its record already; whoever goes on may accept as well.
func TestRowsThatDifferAreAcceptedWhereARunGoesOn(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	s.untold(t, func(tx *tx) error { return tx.Expunge(1, 1) })
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	copyTo(t, whole, s.path)
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	clear(file[:notePage])
	copy(file, noteBegin+whole+"\n")
	err = os.WriteFile(s.path, file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Accept: true})
	if err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	s.sound(t)
	if r := s.verify(t); !r.Whole() {
		t.Errorf("%+v", r)
	}
}

// entry is the last record of an action.
func (s *testStore) entry(t testing.TB, action audit.Action) (last audit.Entry) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err != nil {
				t.Fatal(err)
			}
			if e.Action == action {
				last = e
			}
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// The detail of a record has room for some names, and its rows for all.
func TestARecordNamesSomeOfManyAcceptedRows(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	const many = audit.MaxRows + 7
	s.untold(t, func(tx *tx) error {
		for i := range many {
			err := tx.PutTrack(tracked(t, TrackID(fmt.Sprintf("01ARZ3NDEKTSV4%012d", i))))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Accept: true})
	if err != nil || c.Store.Differing != many || len(c.Store.Problems) != audit.MaxDifferences+1 {
		t.Fatalf("%+v, %v", c, err)
	}
	s.reopen(t)
	s.sound(t)
	e := s.entry(t, audit.Changed)
	if len(e.Rows) != audit.MaxRows || e.Cut != "" || !strings.HasSuffix(e.Detail, fmt.Sprintf(", and %d more", many-acceptedNames)) {
		t.Errorf("%d rows: %q", len(e.Rows), e.Detail)
	}
	if e := s.entry(t, audit.Noted); len(e.Rows) != 7 {
		t.Errorf("%d rows", len(e.Rows))
	}
}
