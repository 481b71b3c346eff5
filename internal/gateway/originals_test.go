package gateway

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/gateway/care"
	"postern/store"
)

// keptSizes are the sizes of the originals that are kept, oldest first.
func keptSizes(t *testing.T, s store.Store) []int64 {
	t.Helper()
	sizes := []int64{}
	err := s.View(t.Context(), func(tx store.Tx) error {
		return tx.EachJob(0, func(j store.Job) bool {
			if j.Kind == store.KeptJob {
				sizes = append(sizes, j.Size)
			}
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// The oldest originals make room for the newest, in its transaction; what can never
// fit, and everything when none are kept, goes at once.
func TestOriginalsOfRefusedMessagesAreBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		bytes int64
		keep  time.Duration
		sizes []int
		want  []int64
	}{
		"they fit":          {100, time.Hour, []int{40, 60}, []int64{40, 60}},
		"the oldest goes":   {100, time.Hour, []int{40, 60, 1}, []int64{60, 1}},
		"several go":        {100, time.Hour, []int{40, 30, 30, 90}, []int64{90}},
		"one that is large": {100, time.Hour, []int{40, 101, 20}, []int64{40, 20}},
		"none are kept":     {-1, -1, []int{40}, []int64{}},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Create(filepath.Join(t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			c := &Core{Store: db, Now: time.Now, Steady: db.Steady, Care: care.Keeper{KeepRefused: tc.keep}, RefusedBytes: tc.bytes}
			for i, size := range tc.sizes {
				body, err := db.NewBody(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, err = body.Write(make([]byte, size))
				if err != nil {
					t.Fatal(err)
				}
				job := store.Job{Kind: store.OpenJob, Due: time.Unix(int64(i), 0), Size: int64(size)}
				err = db.Update(t.Context(), func(tx store.Tx) error {
					job.Body, err = tx.PutBody(body)
					if err != nil {
						return err
					}
					job.ID, err = tx.Enqueue(job)
					return err
				})
				body.Discard()
				if err != nil {
					t.Fatal(err)
				}
				err = db.Update(t.Context(), func(tx store.Tx) error { return c.keepOriginal(tx, job) })
				if err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(tc.want, keptSizes(t, db)); diff != "" {
				t.Error(diff)
			}
			report, err := db.Check(t.Context())
			if err != nil || len(report.Problems) > 0 {
				t.Errorf("%v, %v", report.Problems, err)
			}
		})
	}
}

// An original that made room while its own time came is no failure.
func TestAnOriginalThatIsGoneIsDropped(t *testing.T) {
	db, err := store.Create(filepath.Join(t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = (&Core{Store: db}).drop(t.Context(), store.Job{ID: 7})
	if err != nil {
		t.Error(err)
	}
}
