package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// A small document is not written with the large one beside it.
func TestASmallDocumentIsWrittenAlone(t *testing.T) {
	const large = 12 << 20
	s := newTestStore(t, Options{})
	s.putDocument(t, "large", large)
	before, _ := pagesUsed(t, s.DB)
	s.putDocument(t, "small", 2<<10)
	after, _ := pagesUsed(t, s.DB)
	if grew := after - before; grew > large/10 {
		t.Errorf("the pages grew by %d bytes", grew)
	}
	s.sound(t)
}

func (s *testStore) putDocument(t testing.TB, key string, size int) {
	t.Helper()
	err := s.Update(context.Background(), func(tx Tx) error {
		return tx.PutDocument(Document{Key: key, Body: text(size)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Documents of schema 2 lay side by side. All are there after the migration.
func TestDocumentsOfSchema2AreMoved(t *testing.T) {
	path, o := storeOf(t, 2)
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{0, 1, 2 << 10, 1 << 20}
	err = b.Update(func(tx *bolt.Tx) error {
		for _, n := range sizes {
			key := fmt.Sprintf("document of %d", n)
			record := fmt.Sprintf(`{"key":%q,"sha256":"%x"}`, key, sha256.Sum256(text(n)))
			err := errors.Join(in(tx, bucketDocuments).Put([]byte(key), []byte(record)),
				in(tx, bucketDocumentBodies).Put([]byte(key), text(n)))
			if err != nil {
				return err
			}
		}
		return nil
	})
	err = errors.Join(err, b.Close())
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &testStore{DB: db, path: path, options: o}
	t.Cleanup(func() { s.Close() })
	s.sound(t)
	err = s.View(context.Background(), func(tx Tx) error {
		for _, n := range sizes {
			d, err := tx.Document(fmt.Sprintf("document of %d", n))
			if err != nil || !bytes.Equal(d.Body, text(n)) {
				t.Errorf("%d octets became %d, %v", n, len(d.Body), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Check sees a body that is another, missing, or of no document, and one that
// lies as schema 2 had it.
func TestDamagedDocuments(t *testing.T) {
	bodies := func(tx *bolt.Tx) *bolt.Bucket { return in(tx, bucketDocumentBodies) }
	for name, damage := range map[string]func(tx *bolt.Tx) error{
		"another":   func(tx *bolt.Tx) error { return putAlone(bodies(tx), []byte("d"), text(99)) },
		"empty":     func(tx *bolt.Tx) error { return putAlone(bodies(tx), []byte("d"), nil) },
		"missing":   func(tx *bolt.Tx) error { return bodies(tx).Bucket([]byte("d")).Delete([]byte(aloneKey)) },
		"gone":      func(tx *bolt.Tx) error { return bodies(tx).DeleteBucket([]byte("d")) },
		"of nobody": func(tx *bolt.Tx) error { return putAlone(bodies(tx), []byte("e"), text(1)) },
		"flat": func(tx *bolt.Tx) error {
			return errors.Join(bodies(tx).DeleteBucket([]byte("d")), bodies(tx).Put([]byte("d"), text(100)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.putDocument(t, "d", 100)
			s.sound(t)
			s.raw(t, damage)
			if len(s.problems(t)) == 0 {
				t.Error("Check sees nothing")
			}
		})
	}
}

// BenchmarkPutDocument is what a small document takes beside a large one.
func BenchmarkPutDocument(b *testing.B) {
	for _, beside := range []int{0, 12 << 20, 32 << 20} {
		b.Run(fmt.Sprintf("beside=%dMiB", beside>>20), func(b *testing.B) {
			s := newTestStore(b, Options{})
			if beside > 0 {
				s.putDocument(b, "large", beside)
			}
			for b.Loop() {
				s.putDocument(b, "small", 2<<10)
			}
		})
	}
}
