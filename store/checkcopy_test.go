package store

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// damagedCopy is a copy of a file after a change to what is in it.
func damagedCopy(t *testing.T, file string, damage func(*bolt.Tx) error) string {
	t.Helper()
	data, err := os.ReadFile(file)
	path := filepath.Join(t.TempDir(), "damaged.db")
	err = errors.Join(err, os.WriteFile(path, data, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = errors.Join(b.Update(damage), b.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// A copy is checked where it lies, under any of the keys, and stays as it is.
func TestACopyIsCheckedWithoutARestore(t *testing.T) {
	s := fullStore(t)
	s.audited(t, 5)
	file := s.backup(t)
	want, err := os.ReadFile(file)
	err = errors.Join(err, os.Chmod(file, 0o400))
	if err != nil {
		t.Fatal(err)
	}
	other := NewMasterKey()
	report, err := CheckCopy(context.Background(), file, other, s.options.MasterKey)
	if err != nil || len(report.Problems) > 0 || report.Accounts != 1 || report.Audit < 5 {
		t.Errorf("%+v, %v", report, err)
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy was changed, %v", err)
	}
	beside, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(beside) != 1 {
		t.Errorf("beside it are %v, %v", beside, err)
	}
	_, err = CheckCopy(context.Background(), file, other)
	wantError(t, err, ErrMasterKey)
	_, err = CheckCopy(context.Background(), file)
	wantError(t, err, ErrMasterKey)
	_, err = CheckCopy(context.Background(), file+".absent", other)
	wantError(t, err, fs.ErrNotExist)
	_, err = CheckCopy(context.Background(), s.path, s.options.MasterKey)
	wantError(t, err, ErrLocked)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = CheckCopy(ctx, file, s.options.MasterKey)
	wantError(t, err, context.Canceled)
	old, o := storeOf(t, 4)
	_, err = CheckCopy(context.Background(), old, o.MasterKey)
	wantError(t, err, ErrSchema)
}

// What is wrong in a copy is told as it is of a store.
func TestWhatIsWrongInACopyIsTold(t *testing.T) {
	s := fullStore(t)
	s.audited(t, 5)
	file := s.backup(t)
	last := func(b *bolt.Tx, bucket string) (k, v []byte) {
		k, v = in(b, bucket).Cursor().Last()
		return bytes.Clone(k), bytes.Clone(v)
	}
	for name, damage := range map[string]func(*bolt.Tx) error{
		"a body": func(b *bolt.Tx) error {
			k, v := last(b, bucketBodies)
			if v == nil { // it is so long that it has a bucket
				return in(b, bucketBodies).DeleteBucket(k)
			}
			v[len(v)-1] ^= 1
			return in(b, bucketBodies).Put(k, v)
		},
		"an index": func(b *bolt.Tx) error {
			k, _ := last(b, bucketTrackNames)
			return in(b, bucketTrackNames).Delete(k)
		},
		"a record of the audit trail": func(b *bolt.Tx) error {
			return editAudit(b, 2, func(v []byte) { v[len(v)/2] ^= 1 })
		},
		"an account": func(b *bolt.Tx) error {
			k, _ := last(b, bucketAccounts)
			return in(b, bucketAccounts).Delete(k)
		},
	} {
		report, err := CheckCopy(context.Background(), damagedCopy(t, file, damage), s.options.MasterKey)
		if err != nil || len(report.Problems) == 0 {
			t.Errorf("%s: problems %q, %v", name, report.Problems, err)
		}
	}
	cut := filepath.Join(t.TempDir(), "cut.db")
	data, err := os.ReadFile(file)
	err = errors.Join(err, os.WriteFile(cut, data[:len(data)/2], 0o600))
	if err != nil {
		t.Fatal(err)
	}
	_, err = CheckCopy(context.Background(), cut, s.options.MasterKey)
	wantError(t, err, ErrCorrupt)
}
