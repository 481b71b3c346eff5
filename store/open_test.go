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
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestOpenOfNothingNamesInit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	_, err := Open(path, Options{MasterKey: NewMasterKey()})
	wantError(t, err, fs.ErrNotExist)
	if !strings.Contains(err.Error(), "postern init") {
		t.Errorf("no hint: %v", err)
	}
	_, err = os.Stat(path)
	wantError(t, err, fs.ErrNotExist)
}

func TestCreateReplacesNothing(t *testing.T) {
	s := newTestStore(t, Options{})
	_, err := Create(s.path, s.options)
	wantError(t, err, ErrExists)
	s.reopen(t)
}

func TestCreatedFileIsForItsOwnerAlone(t *testing.T) {
	s := newTestStore(t, Options{})
	info, err := os.Stat(s.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestASecondOpenIsLockedOut(t *testing.T) {
	s := newTestStore(t, Options{})
	o := s.options
	o.Timeout = time.Millisecond
	_, err := Open(s.path, o)
	wantError(t, err, ErrLocked)
}

func TestAnotherMasterKeyDoesNotOpen(t *testing.T) {
	s := newTestStore(t, Options{})
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{MasterKey: NewMasterKey()}, {}} {
		_, err = Open(s.path, o)
		wantError(t, err, ErrMasterKey)
	}
	s.reopen(t) // and the failures left no lock
}

// The data key opens, and yet it is not that of this store.
func TestTheCheckValueProvesTheDataKey(t *testing.T) {
	s := newTestStore(t, Options{})
	s.raw(t, func(tx *bolt.Tx) error {
		other := &keyring{keys: map[uint32][]byte{1: bytes.Repeat([]byte{1}, keySize)}, active: 1}
		check, err := other.sealRecord(checkPurpose, nil, []byte(checkValue))
		return errors.Join(err, in(tx, bucketMeta).Put([]byte(metaCheck), check))
	})
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(s.path, s.options)
	wantError(t, err, ErrMasterKey)
}

func TestANewerSchemaIsRefused(t *testing.T) {
	s := newTestStore(t, Options{})
	s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaSchema), u32(schemaVersion+1)) })
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(s.path, s.options)
	wantError(t, err, ErrSchema)
}

func TestMigrationsRunInOrderAndOnce(t *testing.T) {
	s := newTestStore(t, Options{})
	ran := ""
	table := []migration{
		func(*bolt.Tx) error { ran += "1"; return nil },
		func(*bolt.Tx) error { ran += "2"; return nil },
	}
	s.raw(t, func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaSchema), u32(1)) })
	for range 2 {
		s.raw(t, func(tx *bolt.Tx) error { return migrate(tx, table) })
	}
	if ran != "12" {
		t.Errorf("ran %q", ran)
	}
	err := s.bolt.Update(func(tx *bolt.Tx) error { return migrate(tx, table[:1]) })
	wantError(t, err, ErrSchema)
	if len(migrations())+1 != schemaVersion {
		t.Errorf("%d migrations lead to schema %d", len(migrations()), schemaVersion)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"empty":                 func(b []byte) []byte { return nil },
		"no bbolt file":         func(b []byte) []byte { return bytes.Repeat([]byte("no bbolt file "), 10_000) },
		"cut to the meta pages": func(b []byte) []byte { return b[:8192] },
		"cut in the middle":     func(b []byte) []byte { return b[:256<<10] },
		"both meta pages":       func(b []byte) []byte { copy(b, make([]byte, 8192)); return b },
		"the tree": func(b []byte) []byte {
			for i := 8192; i+4096 < len(b); i += 4096 {
				copy(b[i:i+16], bytes.Repeat([]byte{0xff}, 16))
			}
			return b
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.add(t, text(1<<20))
			err := s.Close()
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(s.path)
			if err != nil {
				t.Fatal(err)
			}
			err = os.WriteFile(s.path, damage(file), 0o600)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first failure leaves no lock
				_, err = Open(s.path, s.options)
				wantError(t, err, ErrCorrupt)
				if strings.Contains(err.Error(), "runtime error") {
					t.Errorf("the words of a panic are shown: %v", err)
				}
			}
		})
	}
}

func TestAFaultIsToldInWords(t *testing.T) {
	var page []byte
	_, err := guarded(func() (byte, error) { return page[7], nil })
	wantError(t, err, ErrCorrupt)
	if !strings.HasSuffix(err.Error(), "its pages lead nowhere") {
		t.Errorf("got %v", err)
	}
}

func TestMasterKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	k := NewMasterKey()
	err := WriteMasterKey(path, k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := FileMasterKey(path)
	if err != nil || *got != *k || got.KeyID() != k.KeyID() {
		t.Errorf("read another key, %v", err)
	}
	if WriteMasterKey(path, k) == nil {
		t.Error("a key was replaced")
	}
	err = os.Chmod(path, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	_, err = FileMasterKey(path)
	if err == nil || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("everybody's key: %v", err)
	}
	for _, bad := range []string{"", "secret", masterKeyPrefix, masterKeyPrefix + "AAAA", masterKeyPrefix + "!"} {
		_, err := parseMasterKey(bad)
		if err == nil || strings.Contains(err.Error(), "AAAA") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAWrappedKeyIsOpenedByItsMasterKeyAlone(t *testing.T) {
	k := NewMasterKey()
	data := text(keySize)
	wrapped, err := k.Wrap(data)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Unwrap(k.KeyID(), wrapped)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("got %x, %v", got, err)
	}
	wrapped[20] ^= 1
	for _, try := range []struct {
		key     *MasterKey
		id      string
		wrapped []byte
	}{{k, k.KeyID(), wrapped}, {k, k.KeyID(), nil}, {k, "other", wrapped}, {NewMasterKey(), k.KeyID(), wrapped}} {
		_, err := try.key.Unwrap(try.id, try.wrapped)
		if err == nil {
			t.Error("unwrapped what was changed")
		}
	}
}

// A backup taken in the middle of writing is a whole store.
func TestABackupOpensAndIsSound(t *testing.T) {
	s := newTestStore(t, Options{})
	id := s.add(t, text(3<<20))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				s.add(t, text(300<<10))
			}
		}
	}()
	var file bytes.Buffer
	_, err := s.Backup(context.Background(), &file)
	close(stop)
	<-stopped
	if err != nil {
		t.Fatal(err)
	}
	c := &testStore{path: filepath.Join(t.TempDir(), "copy.db"), options: s.options}
	err = os.WriteFile(c.path, file.Bytes(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c.DB, err = Open(c.path, c.options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.sound(t)
	got, err := c.read(id)
	if err != nil || !bytes.Equal(got, text(3<<20)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
