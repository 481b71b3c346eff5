package store

import (
	"bytes"
	"context"
	"errors"
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
			_, err := Compact(t.Context(), s.path, via, s.options, restored(audit.Changed))
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

			c, err := Compact(t.Context(), s.path, "", s.options, restored(audit.Changed))
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
	_, err = Compact(context.Background(), s.path, "", s.options, restored(audit.Changed))
	if err == nil {
		t.Error("what is no store was written over the note")
	}
}
