package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"testing"
)

// readerEnv names the store that a re-executed test binary reads; the master key lies
// beside it.
const readerEnv = "POSTERN_TEST_READER"

func endedReader(path string) {
	debug.SetMaxStack(16 << 20) // which is enough for whatever ends
	key, err := FileMasterKey(path + ".key")
	if err == nil {
		var db *DB
		db, err = Open(path, Options{MasterKey: key})
		if err == nil {
			fmt.Println("ready")
			err = db.View(context.Background(), func(tx Tx) error { _, err := tx.Track("01ARZ3NDEKTSV4RRFFQ69G0339"); return err })
		}
	}
	fmt.Println("ended:", err)
}

// A leaf that is a branch to itself ends the process if it is met before the walk was
// there. The next one walks all pages first.
func TestAProcessThatEndedByAPageIsFollowedByAWalk(t *testing.T) {
	d := manifold(t)
	path := d.put(t)
	file := slices.Clone(d.whole)
	at := leafOf(t, file, bucketTracks)
	leadToItself(file[at:])
	err := errors.Join(os.WriteFile(path, file, 0o600), WriteMasterKey(path+".key", d.options.MasterKey.(*MasterKey)))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), readerEnv+"="+path)
	said, err := cmd.Output()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || !bytes.Equal(said, []byte("ready\n")) {
		t.Errorf("the reader said %q, %v", said, err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(after, file) {
		t.Errorf("the store was changed: %v", err)
	}
	_, err = Open(path, d.options)
	wantError(t, err, ErrCorrupt)
}

// leadToItself makes a leaf a branch of which each way goes to the page itself.
func leadToItself(page []byte) {
	order.PutUint16(page[8:], pageBranch)
	for entry := page[pageHead : pageHead+elementSize*int(order.Uint16(page[10:]))]; len(entry) > 0; entry = entry[elementSize:] {
		place, length := order.Uint32(entry[4:]), order.Uint32(entry[8:])
		order.PutUint32(entry, place)
		order.PutUint32(entry[4:], length)
		order.PutUint64(entry[8:], order.Uint64(page))
	}
}

// A page that should hold a value alone and does not is followed by nobody: not to read
// the value, nor to replace or remove it.
func TestAValueThatIsNoneIsAnError(t *testing.T) {
	d := manifold(t)
	for name, damage := range map[string]func(page []byte){
		"leads to itself":    leadToItself,
		"goes on over more":  func(page []byte) { page[12]++ },
		"is another":         func(page []byte) { page[0] ^= 1 },
		"has two":            func(page []byte) { page[10]++ },
		"is a bucket":        func(page []byte) { page[pageHead] = 1 },
		"is longer":          func(page []byte) { page[pageHead+14]++ },
		"has its key beyond": func(page []byte) { page[pageHead+6]++ },
	} {
		t.Run(name, func(t *testing.T) {
			file := slices.Clone(d.whole)
			path := d.put(t)
			size := int(newest(d).size)
			values := 0
			for at := 2 * size; at < len(file); at += size {
				page := file[at:]
				if order.Uint16(page[8:]) == pageLeaf && order.Uint16(page[10:]) == 1 && order.Uint32(page[pageHead+8:]) == 1 && page[pageHead+elementSize] == aloneKey[0] {
					damage(page)
					values++
				}
			}
			if err := os.WriteFile(path, file, 0o600); err != nil || values == 0 {
				t.Fatal(values, err)
			}
			db, err := Open(path, d.options)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			wantError(t, readAll(context.Background(), db), ErrCorrupt)
			for what, fn := range map[string]func(*tx, []byte) error{
				"replaced": func(t *tx, key []byte) error { return t.putAlone(bucketBodies, key, []byte("x")) },
				"removed":  func(t *tx, key []byte) error { return t.removeAlone(bucketBodies, key) },
			} {
				err := db.update(context.Background(), func(tx *tx) error {
					return tx.each(bucketBodies, nil, nil, func(k, _ []byte) (bool, error) {
						if b := tx.in(bucketBodies).Bucket(k); b != nil && b.Root() != 0 {
							return false, fn(tx, bytes.Clone(k))
						}
						return true, nil
					})
				})
				if !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if !db.doubt.Load() {
				t.Error("the store is not in doubt")
			}
		})
	}
}

// The leaves of records are walked before any value.
func TestValuesAreWalkedLast(t *testing.T) {
	d := manifold(t)
	m, _, _ := newestMeta(bytes.NewReader(d.whole))
	w := &pageWalk{pageMeta: m, file: bytes.NewReader(d.whole), readers: 1}
	used := uint64(0)
	tell := func(format string, args ...any) { t.Errorf(format, args...) }
	err := w.walk(func() error {
		if used == 0 && w.next > 0 {
			used = w.inUse
			for _, bucket := range []string{bucketTracks, bucketEvents, bucketJobs, bucketMessages, bucketAudit} {
				if at := leafOf(t, d.whole, bucket); !w.used.has(uint64(at) / uint64(m.size)) {
					t.Errorf("a leaf of %s comes after values", bucket)
				}
			}
		}
		return nil
	}, tell, tell)
	if err != nil || used == 0 || used == w.inUse {
		t.Errorf("%d of %d pages before values, %v", used, w.inUse, err)
	}
}
