package store

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

func (s *testStore) compact(t *testing.T) (Compaction, error) {
	t.Helper()
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	return Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
}

// A compacted store holds the same, in less space.
func TestCompact(t *testing.T) {
	s := fullStore(t)
	s.options.chunkSize = 0 // of the usual size: there is much to write
	s.reopen(t)
	var gone []JobID
	for range 20 {
		s.add(t, text(1<<20))
	}
	kept := s.add(t, text(1<<20))
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachJob(0, func(j Job) bool {
			if j.Size == 1<<20 && j.Body != kept {
				gone = append(gone, j.ID)
			}
			return true
		})
	})
	if err == nil {
		err = s.Update(context.Background(), func(tx Tx) error {
			for _, id := range gone {
				err := tx.Finish(id)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	want, err := s.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.compact(t)
	if err != nil || c.Before < 20<<20 || c.After > 10<<20 {
		t.Fatalf("%+v, %v", c, err)
	}
	s.reopen(t)
	s.sound(t)
	got, err := s.Check(context.Background())
	if err != nil || got.Bytes != want.Bytes || got.Messages != want.Messages {
		t.Errorf("before %+v, after %+v, %v", want, got, err)
	}
	body, err := s.read(kept)
	if err != nil || !bytes.Equal(body, text(1<<20)) {
		t.Errorf("a body has %d bytes, %v", len(body), err)
	}
	if !s.ends(t, audit.Changed) {
		t.Error("the audit trail says nothing of it")
	}
	if next := s.add(t, text(1)); next <= kept {
		t.Errorf("body id %d was used twice", next)
	}
}

// What a crash left of an earlier try is no hindrance, and a store that is in use
// or damaged is left as it is.
func TestCompactRefuses(t *testing.T) {
	s := fullStore(t)
	err := os.WriteFile(s.path+".compact", []byte("half a store"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	o := s.options
	o.Timeout = 10 * time.Millisecond
	_, err = Compact(context.Background(), s.path, CompactOptions{Options: o, Record: restored(audit.Changed)})
	wantError(t, err, ErrLocked)
	_, err = s.compact(t)
	if err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketJobCounts).Put([]byte("x"), u64(1)) })
	_, err = s.compact(t)
	wantError(t, err, ErrCorrupt)
	files, err := os.ReadDir(filepath.Dir(s.path))
	if err != nil || len(files) != 2 { // with audit.end
		t.Errorf("files are left: %v, %v", files, err)
	}
	s.reopen(t)
}

// The last era, where it is lost, is counted anew by what there is of eras: nothing is of
// one that would come again.
func TestCompactCountsTheLastEra(t *testing.T) {
	for name, damage := range map[string]func(*bolt.Bucket) error{
		"lost":     func(b *bolt.Bucket) error { return b.Delete([]byte(metaEra)) },
		"short":    func(b *bolt.Bucket) error { return b.Put([]byte(metaEra), u32(0)) },
		"set back": func(b *bolt.Bucket) error { return b.Put([]byte(metaEra), u64(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := fullStore(t)
			era := func() (e Era) {
				err := s.View(t.Context(), func(tx Tx) (err error) {
					e, err = tx.Era()
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			want := era()
			s.raw(t, func(tx *bolt.Tx) error { return damage(in(tx, bucketMeta)) })
			if len(s.problems(t)) != 1 {
				t.Errorf("problems %q", s.problems(t))
			}
			_, err := s.compact(t)
			if err != nil {
				t.Fatal(err)
			}
			s.reopen(t)
			s.sound(t)
			if got := era(); got != want {
				t.Errorf("era %d, want %d", got, want)
			}
		})
	}
}
