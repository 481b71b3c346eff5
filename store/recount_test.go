package store

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"postern/internal/audit"
)

// Whoever takes rows away, and leaves the numbers of them, costs neither the backups
// that are made since nor the store's compaction: both count anew, and the record says so.
func TestNumbersAreCountedAnewByRestoreAndCompact(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		damage     func(*tx) error
		miscounted []string // names of numbers
		differing  int
	}{
		"a track that is gone": {func(tx *tx) error {
			tracks := tx.in(bucketTracks)
			n := tracks.Sequence()
			k, _ := tracks.Cursor().First()
			_, err := tx.RemoveTrack(TrackID(k))
			if err != nil {
				return err
			}
			return tracks.SetSequence(n)
		}, []string{tracksNumber}, 0},
		"too many tracks": {func(tx *tx) error { return tx.countTrack(7) }, []string{tracksNumber}, 0},
		"a message that is gone": {func(tx *tx) error {
			return tx.remove(bucketMessages, messageKey(1, 1))
		}, []string{"mailbox 1", "body 1"}, 1},
		"the counts of a mailbox": {func(tx *tx) error {
			m, err := tx.mailbox(1)
			if err != nil {
				return err
			}
			m.Messages, m.Unseen, m.Bytes, m.Tombs = 9, 8, 7, 6
			return tx.putMailbox(m)
		}, []string{"mailbox 1"}, 0},
		"too few references": {func(tx *tx) error { return tx.setRefs(1, 1) }, []string{"body 1"}, 0},
		"a body that nobody has": {func(tx *tx) error {
			return tx.dropRows(bucketMessages, bucketJobs, bucketDue, bucketJobCounts)
		}, []string{"mailbox 1", "body 1"}, 4},
		"the numbers of jobs": {func(tx *tx) error {
			return tx.put(bucketJobCounts, []byte("relay"), JobTotal{7, 1}.encode())
		}, []string{"the numbers of jobs"}, 0},
		"who had an address before": {func(tx *tx) error {
			_, err := tx.leave(address(t, "d@b.example"), Tenure{From: 1})
			if err != nil {
				return err
			}
			return tx.put(bucketFormer, []byte("d@b.example"), []byte("{"))
		}, []string{"who had d@b.example before"}, 1},
	} {
		again := map[audit.Action]func(t *testing.T, s *testStore, from string) (CheckReport, error){
			audit.Restored: func(t *testing.T, s *testStore, from string) (CheckReport, error) {
				r, err := Restore(ctx, s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Accept: true})
				return r.Copy, err
			},
			audit.Changed: func(t *testing.T, s *testStore, from string) (CheckReport, error) {
				c, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Accept: true})
				return c.Store, err
			},
		}
		for action, do := range again {
			t.Run(name+" "+string(action), func(t *testing.T) {
				s := newTestStore(t, Options{})
				s.house(t)
				s.untold(t, func(tx *tx) error { return tt.damage(tx) })
				problems := len(tt.miscounted) + tt.differing + strings.Count(strings.Join(tt.miscounted, " "), tracksNumber) // of which verify tells, too
				if got := s.problems(t); len(got) != problems {
					t.Fatalf("%q, want %d", got, problems)
				}
				from := s.backup(t)
				copied, err := CheckCopy(ctx, from, s.options.MasterKey)
				if err != nil || copied.Miscounted != len(tt.miscounted) || copied.Differing != tt.differing || copied.Damage != 0 {
					t.Errorf("the copy: %+v, %v", copied, err)
				}
				err = s.Close()
				if err != nil {
					t.Fatal(err)
				}
				report, err := do(t, s, from)
				if err != nil {
					t.Fatal(err)
				}
				if report.Miscounted != len(tt.miscounted) || len(report.Problems) != problems {
					t.Errorf("%+v", report)
				}
				s.reopen(t)
				s.sound(t)
				if after := s.verify(t); !after.Whole() {
					t.Errorf("after it: %+v", after)
				}
				detail := s.entry(t, action).Detail
				for _, name := range tt.miscounted {
					if !strings.Contains(detail, name) {
						t.Errorf("the record says nothing of %s: %q", name, detail)
					}
				}
			})
		}
	}
}

// dropRows empties buckets.
func (t *tx) dropRows(buckets ...string) error {
	for _, bucket := range buckets {
		for _, k := range t.firstKeys(bucket, nil, 100) {
			err := t.remove(bucket, k)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// What cannot be counted is refused as before: there is nothing to put in its place.
func TestWhatIsMissingIsNotCountedAnew(t *testing.T) {
	for name, damage := range map[string]func(*tx) error{
		"a track without its indexes": func(tx *tx) error {
			k, _ := tx.in(bucketTracks).Cursor().First()
			return tx.remove(bucketTracks, k)
		},
		"a body": func(tx *tx) error { return tx.remove(bucketBodies, u64(1)) },
		"a chunk": func(tx *tx) error {
			return tx.removeChunk(chunkID(1, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.house(t)
			s.untold(t, damage)
			err := s.Close()
			if err != nil {
				t.Fatal(err)
			}
			_, err = Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
			wantError(t, err, ErrCorrupt)
		})
	}
}

// Of very many the first are told, and all are set.
func TestVeryManyNumbersAreCountedAnew(t *testing.T) {
	const many = audit.MaxDifferences + restoreStep
	s := newTestStore(t, Options{})
	s.deed(t, func(tx Tx) error {
		for i := range many {
			_, err := tx.CreateMailbox(address(t, "a@b.example"), fmt.Sprint("box ", i))
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.untold(t, func(tx *tx) error {
		boxes, err := tx.Mailboxes(address(t, "a@b.example"))
		for _, box := range boxes {
			m, err := tx.mailbox(box.ID)
			if err != nil {
				return err
			}
			m.Messages = 1
			if err := tx.putMailbox(m); err != nil {
				return err
			}
		}
		return err
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
	if err != nil || c.Store.Miscounted != many {
		t.Fatalf("%+v, %v", c, err)
	}
	s.reopen(t)
	s.sound(t)
}
