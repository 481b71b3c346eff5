package store

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// checkedAtOpen opens a store and reports whether all its pages were walked for that.
func (d *damagedStore) checkedAtOpen(t *testing.T, path string) bool {
	t.Helper()
	db, err := Open(path, d.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return db.checked
}

// put writes the files of the store into a folder of their own.
func (d *damagedStore) put(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "store.db")
	err := errors.Join(os.WriteFile(path, d.whole, 0o600), os.WriteFile(witnessOf(path), d.witness, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Only a store to which nothing was written since it was closed is believed to be
// sound for a while.
func TestACleanStopIsKnown(t *testing.T) {
	d := manifold(t)
	for name, tt := range map[string]struct {
		change func(t *testing.T, path string) error
		all    bool
	}{
		"stopped cleanly": {func(*testing.T, string) error { return nil }, false},
		"written by another program": {func(t *testing.T, path string) error {
			b, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			return errors.Join(b.Update(func(*bolt.Tx) error { return nil }), b.Close())
		}, true},
		"without a witness": {func(t *testing.T, path string) error { return os.Remove(witnessOf(path)) }, true},
		"at a checkpoint": {func(t *testing.T, path string) error {
			return os.WriteFile(witnessOf(path), bytes.TrimSuffix(d.witness, []byte(stoppedMark)), 0o600)
		}, true},
		"killed": {func(t *testing.T, path string) error {
			s := &testStore{path: path, options: d.options}
			var err error
			s.DB, err = Open(path, d.options)
			if err != nil {
				return err
			}
			s.checkpoint(t)
			s.audited(t, 1)
			file, err := os.ReadFile(path)
			witness, other := os.ReadFile(witnessOf(path))
			return errors.Join(err, other, s.Close(), os.WriteFile(path, file, 0o600), os.WriteFile(witnessOf(path), witness, 0o600))
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := d.put(t)
			if err := tt.change(t, path); err != nil {
				t.Fatal(err)
			}
			if all := d.checkedAtOpen(t, path); all != tt.all {
				t.Errorf("all pages were walked: %v", all)
			}
			if again := d.checkedAtOpen(t, path); again != (name == "written by another program") {
				t.Errorf("after a clean stop all pages were walked: %v", again)
			}
		})
	}
}

// leafOf returns where in the file the last leaf of a bucket is.
func leafOf(t *testing.T, file []byte, bucket string) int {
	t.Helper()
	m, _, _ := newestMeta(bytes.NewReader(file))
	w := &pageWalk{pageMeta: m, file: bytes.NewReader(file), readers: 1}
	w.tell = func(format string, args ...any) { t.Fatalf(format, args...) }
	w.note = w.tell
	var last func(id uint64, found func(*page) bool) bool
	last = func(id uint64, found func(*page) bool) bool {
		w.heads = nil
		w.readHeads([]step{{id: id}})
		p := w.page(id, &w.heads[0])
		if p.kind == pageLeaf {
			return found(p)
		}
		elements := w.elements(p, step{})
		slices.Reverse(elements)
		return slices.ContainsFunc(elements, func(e element) bool { return last(e.page, found) })
	}
	at := 0
	last(m.root, func(p *page) bool {
		for _, e := range w.elements(p, step{}) {
			if string(e.key) == bucket {
				return last(order.Uint64(w.read(p, e.value, 8)), func(p *page) bool {
					at = int(p.at)
					return true
				})
			}
		}
		return false
	})
	if at == 0 {
		t.Fatalf("there is no leaf of %s", bucket)
	}
	return at
}

// What the frame is of is found before the store is used, and the rest by CheckPages:
// then nothing more is written, and the store is not opened again.
func TestPagesThatAreNotOfTheFrameAreCheckedLater(t *testing.T) {
	d := manifold(t)
	for name, tt := range map[string]struct {
		damage func(file []byte)
		later  bool
	}{
		"a leaf that goes on over others": {func(file []byte) { file[leafOf(t, file, bucketTracks)+12] ^= 1 }, true},
		"an element of a leaf":            {func(file []byte) { file[leafOf(t, file, bucketEvents)+pageHead+elementSize+1] ^= 1 }, true},
		"a chunk that is that of another": {func(file []byte) {
			at := leafOf(t, file, bucketBodies)
			var chunks [][]byte
			for entry := file[at+pageHead:]; len(chunks) < 2; entry = entry[elementSize:] {
				if order.Uint32(entry) == 1 {
					chunks = append(chunks, entry[order.Uint32(entry[4:])+order.Uint32(entry[8:]):])
				}
			}
			copy(chunks[0][:8], chunks[1])
		}, false},
		"a branch that leads to itself": {func(file []byte) {
			size := int(newest(&damagedStore{whole: file}).size)
			for at := 2 * size; at < len(file); at += size {
				if order.Uint16(file[at+8:]) == pageBranch {
					order.PutUint64(file[at+pageHead+elementSize+8:], uint64(at/size))
				}
			}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := slices.Clone(d.whole)
			tt.damage(file)
			path := d.put(t)
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(path, d.options)
			if !tt.later {
				wantError(t, err, ErrCorrupt)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			told := 0
			wantError(t, db.CheckPages(ctx, func(PageProgress) { told++ }), ErrCorrupt)
			if told == 0 {
				t.Error("nothing is told of the walk")
			}
			wantError(t, db.Update(ctx, func(tx Tx) error { return tx.PutDomain(Domain{Name: "c.example"}) }), ErrCorrupt)
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = Open(path, d.options)
			wantError(t, err, ErrCorrupt)
		})
	}
}

// Whoever waits for a store that is read whole is told how far that is, and can end it.
func TestReadingAStoreThatWasKilledIsToldAndEnds(t *testing.T) {
	d := manifold(t)
	path := d.put(t)
	if err := os.Remove(witnessOf(path)); err != nil {
		t.Fatal(err)
	}
	o := d.options
	var all []PageProgress
	o.Reading = func(p PageProgress) error {
		all = append(all, p)
		return nil
	}
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	err = db.CheckPages(context.Background(), func(PageProgress) { t.Error("they are walked again") })
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 || all[0].Done >= all[0].All || !slices.IsSortedFunc(all, func(a, b PageProgress) int { return int(a.Done) - int(b.Done) }) {
		t.Errorf("told %v", all)
	}
	if err := os.Remove(witnessOf(path)); err != nil {
		t.Fatal(err)
	}
	o.Reading = func(PageProgress) error { return context.Canceled }
	_, err = Open(path, o)
	wantError(t, err, context.Canceled)
}

// A store of twice the usual mapping grows as much again without being mapped anew.
func TestABigFileIsMappedWithRoomToGrow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{0, mapSize / 2, mapSize} {
		if err := os.Truncate(path, size); err != nil { // a hole
			t.Skip("the file system has no files of", size)
		}
		if got, want := (Options{}).mapping(path), int(max(mapSize, 2*min(size, math.MaxInt/4))); got != want {
			t.Errorf("%d bytes: %d, want %d", size, got, want)
		}
	}
}

// What is beside the store that was there would speak against the new one for ever.
func TestCreateWantsNoWitnessOfAnotherStore(t *testing.T) {
	s := newTestStore(t, Options{})
	s.audited(t, 3)
	if err := errors.Join(s.Close(), os.Remove(s.path)); err != nil {
		t.Fatal(err)
	}
	_, err := Create(s.path, s.options)
	wantError(t, err, ErrExists)
	if !strings.Contains(err.Error(), WitnessFile) {
		t.Errorf("it does not say what is in the way: %v", err)
	}
}

// A witness that was cut off says nothing, and one that could not be finished is in
// the way of no other.
func TestAWitnessThatWasCutOffIsWrittenAnew(t *testing.T) {
	s := newTestStore(t, Options{})
	s.audited(t, 3)
	if err := errors.Join(s.Close(), os.Truncate(witnessOf(s.path), 0), os.Mkdir(witnessOf(s.path)+".new", 0)); err != nil {
		t.Fatal(err)
	}
	var err error
	s.DB, err = Open(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.verify(t); got.Problem != nil || got.Witness != 0 {
		t.Errorf("%+v", got)
	}
	s.sound(t)
	s.reopen(t)
	if got := s.verify(t); got.Problem != nil || got.Witness != 3 {
		t.Errorf("after a clean stop: %+v", got)
	}
}
