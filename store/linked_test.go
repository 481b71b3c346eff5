package store

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/audit"
)

// linked moves the store of a test into another folder, and leaves a symbolic link.
func linked(t *testing.T) (s *testStore, file string) {
	t.Helper()
	s = newTestStore(t, Options{})
	s.house(t)
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "data.db")
	err = os.Rename(s.path, file)
	if err == nil {
		err = os.Symlink(file, s.path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, file
}

// A store that is a link to another disk is replaced there, and none of its records stay
// behind.
func TestALinkedStoreStaysWhereItIs(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(s *testStore, from string) error{
		"compact": func(s *testStore, _ string) error {
			_, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed)})
			return err
		},
		"compact via": func(s *testStore, _ string) error {
			_, err := Compact(ctx, s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: t.TempDir()})
			return err
		},
		"restore": func(s *testStore, from string) error {
			_, err := Restore(ctx, s.path, from, RestoreOptions{Options: s.options, Record: restored(audit.Restored)})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, file := linked(t)
			s.reopen(t)
			from := s.backup(t)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if err := do(s, from); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(s.path)
			if err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("the link is gone: %v, %v", info.Mode(), err)
			}
			s.reopen(t)
			s.sound(t)
			for _, left := range names(t, filepath.Dir(file)) {
				if left != "data.db" && !strings.HasPrefix(left, "data.db.replaced-") {
					t.Errorf("%s is left", left)
				}
			}
			if beside := names(t, filepath.Dir(s.path)); len(beside) != 2 { // with the witness
				t.Errorf("beside the link are %q", beside)
			}
		})
	}
}

// Whoever reads the note must find the store.
func TestANoteNamesNoPathOfTwoLines(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	via := filepath.Join(t.TempDir(), "a\nb")
	if err := os.Mkdir(via, 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := Compact(t.Context(), s.path, CompactOptions{Options: s.options, Record: restored(audit.Changed), Via: via})
	if err == nil || !strings.Contains(err.Error(), "line") {
		t.Errorf("%v", err)
	}
	s.reopen(t)
	s.sound(t)
	if left := names(t, via); len(left) != 0 {
		t.Errorf("left %q", left)
	}
}
