package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

func auditValue(b *bolt.Tx, n uint64) []byte { return bytes.Clone(in(b, bucketAudit).Get(u64(n))) }

func editAudit(b *bolt.Tx, n uint64, edit func([]byte)) error {
	v := auditValue(b, n)
	edit(v)
	return in(b, bucketAudit).Put(u64(n), v)
}

// cutAudit removes what is in a bucket from a number on.
func cutAudit(b *bolt.Tx, bucket string, from uint64) error {
	var err error
	c := in(b, bucket).Cursor()
	for k, _ := c.Seek(u64(from)); k != nil; k, _ = c.Seek(u64(from)) {
		err = errors.Join(err, in(b, bucket).Delete(binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(k))))
	}
	return err
}

// moveAudit gives the entries from first to last the next number as their key.
func moveAudit(b *bolt.Tx, first, last uint64) error {
	var err error
	for n := last; n >= first; n-- {
		err = errors.Join(err, in(b, bucketAudit).Put(u64(n+1), auditValue(b, n)))
	}
	return err
}

// forgedAudit is an entry that follows the one before it.
func forgedAudit(t testing.TB, b *bolt.Tx, n uint64) []byte {
	t.Helper()
	e := audit.Entry{Number: n, Prev: audit.HashOf(auditValue(b, n-1)), Record: audit.Record{Actor: "forger"}}
	v, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// rebuildAudit changes an entry and makes the chain anew behind it.
func rebuildAudit(t testing.TB, b *bolt.Tx, first, last uint64) error {
	t.Helper()
	for n := first; n <= last; n++ {
		err := in(b, bucketAudit).Put(u64(n), forgedAudit(t, b, n))
		if err != nil {
			return err
		}
	}
	return nil
}

// copyOf opens a backup under the key of the store it was made of.
func copyOf(t testing.TB, s *testStore, file string) *testStore {
	t.Helper()
	c := &testStore{path: filepath.Join(t.TempDir(), "copy.db"), options: s.options}
	err := os.WriteFile(c.path, []byte(file), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.DB, err = Open(c.path, c.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
