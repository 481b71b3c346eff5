package store

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asNobody has permissions bind this goroutine, also where root runs the test.
func asNobody(t *testing.T, folder string) {
	if os.Geteuid() != 0 {
		return
	}
	const nobody = 65534
	err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chown(path, nobody, nobody)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(folder), 0o711); err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread() // the id is the thread's
	if err := unix.Setfsuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Setfsuid(0)
		runtime.UnlockOSThread()
	})
}

// A store that may not be written is read by who asks for that: all of it can be read
// and proven, every change is refused with the cause, and nothing in its folder moves.
func TestAStoreThatCannotBeWrittenIsRead(t *testing.T) {
	s := fullStore(t)
	ctx := context.Background()
	want, err := s.Check(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(s.path)
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	left := s.path + restoreEnd
	if err := os.WriteFile(left, nil, 0o400); err != nil {
		t.Fatal(err)
	}
	asNobody(t, folder)
	for path, mode := range map[string]os.FileMode{s.path: 0o400, folder: 0o500} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(path, 0o700) })
	}
	_, err = Open(s.path, s.options)
	wantError(t, err, fs.ErrPermission)
	s.options.ReadAnyway = true
	db, err := Open(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, db.Unwritable(), ErrUnwritable)
	wantError(t, db.Unwritable(), fs.ErrPermission)
	got, err := db.Check(ctx)
	if err != nil || got.Messages != want.Messages || got.Bytes != want.Bytes || got.Audit != want.Audit || len(got.Problems) > 0 {
		t.Errorf("check: %+v, %v", got, err)
	}
	err = db.View(ctx, func(tx Tx) error {
		report, err := tx.VerifyAudit(ctx, nil)
		if err == nil && report.Problem != nil {
			t.Errorf("the audit trail: %+v", report)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	var copied bytes.Buffer
	if _, err := db.Backup(ctx, &copied); err != nil {
		t.Error(err)
	}
	wantError(t, db.Update(ctx, func(tx Tx) error { return tx.PutDomain(Domain{Name: domainNumber(7)}) }), ErrUnwritable)
	w, err := db.NewBody(ctx)
	if err == nil {
		_, err = w.Write(text(1 << 20))
		w.Discard()
	}
	wantError(t, err, ErrUnwritable)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	after, err := os.ReadFile(s.path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed: %v", err)
	}
	if _, err := os.Lstat(left); err != nil {
		t.Error(err)
	}
}

// One of an earlier schema cannot be read before it is carried on.
func TestAnEarlierSchemaThatCannotBeWritten(t *testing.T) {
	path, o := storeOf(t, 1)
	asNobody(t, filepath.Dir(path))
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	o.ReadAnyway = true
	_, err := Open(path, o)
	wantError(t, err, ErrUnwritable)
}
