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

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// A store is compacted and restored by way of another folder, in the same file, and
// nothing is left there.
func TestVia(t *testing.T) {
	s := fullStore(t)
	want, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = s.Close()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(t.TempDir(), "copy.db")
	copyTo(t, from, s.path)
	via := t.TempDir()
	for what, change := range map[string]func() error{
		"compact": func() error {
			_, err := Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: via})
			return err
		},
		"restore": func() error {
			r, err := Restore(t.Context(), s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Via: via})
			if r.Kept != "" {
				t.Errorf("the old store is kept as %s", r.Kept)
			}
			return err
		},
	} {
		err := change()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		after, err := os.Stat(s.path)
		if err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: another file is in its place: %v", what, err)
		}
		if diff := cmp.Diff([]string(nil), names(t, via)); diff != "" {
			t.Errorf("%s leaves (-want +got):\n%s", what, diff)
		}
		s.reopen(t)
		s.sound(t)
		got, err := s.Check(t.Context())
		if err != nil || got.Bytes != want.Bytes || got.Messages != want.Messages {
			t.Errorf("%s: before %+v, after %+v, %v", what, want, got, err)
		}
		err = s.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	s.reopen(t)
}

func copyTo(t *testing.T, to, from string) {
	t.Helper()
	all, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, all, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Wherever a crash ends the writing over, the file is no store but says where the
// store is, nothing is made in its place, and another compaction ends it. What was done
// when the first page is there is done.
func TestACrashWhileWritingOver(t *testing.T) {
	for what, written := range map[string]float64{"nothing": 0, "a page": 0.001, "half": 0.5, "all but the first page": 1} {
		t.Run(what, func(t *testing.T) {
			s := fullStore(t)
			id := s.add(t, text(1<<20))
			err := s.Close()
			if err != nil {
				t.Fatal(err)
			}
			whole := filepath.Join(t.TempDir(), "postern.db.compact")
			copyTo(t, whole, s.path)
			all, err := os.ReadFile(whole)
			if err != nil {
				t.Fatal(err)
			}
			n := notePage + int(written*float64(len(all)-notePage))
			file := append(bytes.Clone(all[:n]), bytes.Repeat([]byte("old"), 1<<20)...)
			clear(file[:notePage])
			copy(file, noteBegin+whole+"\n")
			err = os.WriteFile(s.path, file, 0o600)
			if err != nil {
				t.Fatal(err)
			}

			_, err = Open(s.path, s.options)
			wantError(t, err, ErrCorrupt)
			var elsewhere *ElsewhereError
			if !errors.As(err, &elsewhere) || elsewhere.Path != whole || !strings.Contains(err.Error(), whole) {
				t.Fatalf("opened: %v", err)
			}
			err = os.Remove(witnessOf(s.path)) // it goes before
			if err != nil {
				t.Fatal(err)
			}
			_, err = Create(s.path, s.options)
			wantError(t, err, ErrExists)

			c, err := Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
			if err != nil || c.After != int64(len(all)) {
				t.Fatalf("%+v, %v", c, err)
			}
			s.reopen(t)
			s.sound(t)
			body, err := s.read(id)
			if err != nil || !bytes.Equal(body, text(1<<20)) {
				t.Errorf("a body has %d bytes, %v", len(body), err)
			}
			if got := names(t, filepath.Dir(whole)); len(got) != 0 {
				t.Errorf("%v are left", got)
			}
		})
	}
}

// What is whole is not removed when the writing over is broken off, and what is not is
// never written over anything.
func TestWritingOverFails(t *testing.T) {
	s := fullStore(t)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	h, err := hold(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(t.TempDir(), "next")
	err = os.Mkdir(next, 0o700) // cannot be read
	if err != nil {
		t.Fatal(err)
	}
	err = h.put(next)
	var elsewhere *ElsewhereError
	if !errors.As(err, &elsewhere) || elsewhere.Err == nil {
		t.Fatalf("put: %v", err)
	}
	err = errors.Join(removeUnless(next, err), h.release())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(s.path, s.options)
	wantError(t, err, ErrCorrupt)
	_, err = os.Stat(next)
	if err != nil {
		t.Errorf("what is whole is removed: %v", err)
	}
	_, err = Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
	if err == nil {
		t.Error("what is no store was written over the note")
	}
}

// brokenOff makes a store of which a crash left the note alone, and returns where it is
// whole, in the folder via.
func brokenOff(t *testing.T, via, end string) (s *testStore, whole string) {
	t.Helper()
	s = fullStore(t)
	err := s.Close()
	if err == nil {
		whole, err = makeNext(s.path, via, end)
	}
	if err != nil {
		t.Fatal(err)
	}
	copyTo(t, whole, s.path)
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	clear(file[:notePage])
	copy(file, noteBegin+whole+"\n")
	clear(file[len(file)/2:])
	err = os.WriteFile(s.path, file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return s, whole
}

// finishes ends what was broken off, and nothing is lost or left.
func finishes(t *testing.T, s *testStore, whole string) {
	t.Helper()
	_, err := Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
	if err != nil {
		t.Fatal(err)
	}
	endedWell(t, s, whole)
}

func endedWell(t *testing.T, s *testStore, whole string) {
	t.Helper()
	s.reopen(t)
	s.sound(t)
	_, err := os.Lstat(whole)
	wantError(t, err, fs.ErrNotExist)
}

// To restore from the only whole file of a store that was broken off is to go on,
// whatever the file is called and by whichever folder.
func TestRestoreFromTheOnlyWholeFileGoesOn(t *testing.T) {
	for what, more := range map[string]func(via, whole string) (string, string){
		"by its folder": func(via, whole string) (string, string) { return via, whole },
		"by none":       func(_, whole string) (string, string) { return "", whole },
		"by a link": func(via, whole string) (string, string) {
			link := filepath.Join(t.TempDir(), "link")
			if err := os.Symlink(whole, link); err != nil {
				t.Fatal(err)
			}
			return via, link
		},
	} {
		t.Run(what, func(t *testing.T) {
			via := t.TempDir()
			s, whole := brokenOff(t, via, restoreEnd)
			via, from := more(via, whole)
			r, err := Restore(t.Context(), s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Via: via})
			if err != nil || r.Copy.Messages == 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			endedWell(t, s, whole)
		})
	}
}

// No other copy is restored before, be it whole or not, and nothing is removed for it.
func TestNoOtherCopyIsRestoredOverAStoreThatIsElsewhere(t *testing.T) {
	via := t.TempDir()
	s, whole := brokenOff(t, via, restoreEnd)
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good.db"), filepath.Join(dir, "bad.db")
	copyTo(t, good, whole)
	err := os.WriteFile(bad, []byte("nothing"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{good, bad, filepath.Join(dir, "none.db"), s.path} {
		for _, via := range []string{via, dir, ""} {
			_, err := Restore(t.Context(), s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Via: via})
			var elsewhere *ElsewhereError
			if !errors.As(err, &elsewhere) || elsewhere.Path != whole {
				t.Errorf("%s by %q: %v", from, via, err)
			}
		}
	}
	finishes(t, s, whole)
}

// Two stores of one name that go by one folder do not meet.
func TestTwoStoresByOneFolder(t *testing.T) {
	via := t.TempDir()
	a, whole := brokenOff(t, via, compactEnd)
	b := fullStore(t)
	from := filepath.Join(t.TempDir(), "copy.db")
	err := b.Close()
	if err != nil {
		t.Fatal(err)
	}
	copyTo(t, from, b.path)
	_, err = Compact(t.Context(), b.path, CompactOptions{Options: b.options, Record: restored(audit.Changed), Via: via})
	if err != nil {
		t.Error(err)
	}
	_, err = Restore(t.Context(), b.path, from, RestoreOptions{Options: b.options, Record: restored(audit.Restored), Via: via})
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{filepath.Base(whole)}, names(t, via)); diff != "" {
		t.Fatalf("in the folder (-want +got):\n%s", diff)
	}
	b.reopen(t)
	b.sound(t)
	finishes(t, a, whole)
}

// What is in the folder already stays as it is, and the store too: it may be that of
// another host's store of the same path. Nor is a copy restored from the file that it
// would be made ready in.
func TestWhatIsInTheFolderAlreadyStays(t *testing.T) {
	s := fullStore(t)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	via := t.TempDir()
	from := filepath.Join(t.TempDir(), "copy.db")
	copyTo(t, from, s.path)
	left := make(map[string]string)
	for _, end := range []string{compactEnd, restoreEnd} {
		left[end], err = makeNext(s.path, via, end)
		if err != nil {
			t.Fatal(err)
		}
		copyTo(t, left[end], s.path)
	}
	_, err = Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: via})
	wantError(t, err, ErrInTheWay)
	if !strings.Contains(err.Error(), left[compactEnd]) {
		t.Errorf("the file is not named: %v", err)
	}
	for _, from := range []string{from, left[restoreEnd]} {
		_, err = Restore(t.Context(), s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored), Via: via})
		wantError(t, err, ErrInTheWay)
	}
	for _, path := range left {
		_, err := CheckCopy(t.Context(), path, s.options.MasterKey)
		if err != nil {
			t.Error(err)
		}
	}
	s.reopen(t)
	s.sound(t)
}

// A file that a restore left beside a damaged store is not removed as its own copy.
func TestRestoreFromWhatWasLeftBesideTheStore(t *testing.T) {
	s := fullStore(t)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	left := s.path + restoreEnd
	err = os.Rename(s.path, left)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Restore(t.Context(), s.path, left, RestoreOptions{Options: s.options, Record: restored(audit.Restored)})
	wantError(t, err, ErrCopy)
	_, err = CheckCopy(t.Context(), left, s.options.MasterKey)
	if err != nil {
		t.Error(err)
	}
}

// While the file that holds the store cannot be reached, nothing is done, and the error
// says where it should be.
func TestTheOtherFolderIsNotThere(t *testing.T) {
	via := filepath.Join(t.TempDir(), "via")
	err := os.Mkdir(via, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	s, whole := brokenOff(t, via, compactEnd)
	err = os.Rename(via, via+".away")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
	wantError(t, err, fs.ErrNotExist)
	wantError(t, err, ErrCorrupt)
	if !strings.Contains(err.Error(), whole) || strings.Contains(err.Error(), "init") {
		t.Errorf("said: %v", err)
	}
	err = os.Rename(via+".away", via)
	if err != nil {
		t.Fatal(err)
	}
	finishes(t, s, whole)
}
