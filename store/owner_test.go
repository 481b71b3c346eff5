//go:build unix

package store

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"postern/internal/audit"
)

// What a command of root leaves in the folder of another user's gateway is that
// user's, and a witness that cannot be read shuts no store.
func TestFilesOfRootAreGivenAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const nobody = 65534
	s := fullStore(t)
	folder := filepath.Dir(s.path)
	for _, path := range []string{folder, s.path} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(context.Background(), func(tx Tx) error {
		return tx.Audit(audit.Record{Actor: audit.System, Action: audit.Started})
	})
	if err != nil {
		t.Fatal(err)
	}
	s.reopen(t) // which writes the witness
	if err := WriteMasterKey(filepath.Join(folder, "another.key"), NewMasterKey()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Compact(context.Background(), s.path, CompactOptions{Options: s.options, Record: audit.Record{Actor: audit.System, Action: audit.Changed}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{filepath.Base(s.path), WitnessFile, "another.key"} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if uid := info.Sys().(*syscall.Stat_t).Uid; uid != nobody {
			t.Errorf("%s belongs to %d", name, uid)
		}
	}
}

// A witness that cannot be read is as none, and stays.
func TestAWitnessThatCannotBeReadShutsNoStore(t *testing.T) {
	s := fullStore(t)
	path := witnessOf(s.path)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // no file can be read, by root either
		t.Fatal(err)
	}
	db, err := Open(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	var report audit.Report
	err = db.View(context.Background(), func(tx Tx) (err error) {
		report, err = tx.VerifyAudit(context.Background(), nil)
		return err
	})
	if err != nil || report.Problem != nil || report.Witness != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
