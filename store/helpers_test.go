package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"postern/mime"
)

func TestMain(m *testing.M) {
	if os.Getenv(killedEnv) != "" {
		killedWriter(os.Getenv(killedEnv))
		return
	}
	if os.Getenv(readerEnv) != "" {
		endedReader(os.Getenv(readerEnv))
		return
	}
	goleak.VerifyTestMain(m)
}

// A testStore is a store whose file and key the test can get at.
type testStore struct {
	*DB
	path    string
	options Options
}

func newTestStore(t testing.TB, o Options) *testStore {
	t.Helper()
	s := &testStore{path: filepath.Join(t.TempDir(), "store.db"), options: o}
	if s.options.MasterKey == nil {
		s.options.MasterKey = NewMasterKey()
	}
	db, err := Create(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	s.DB = db
	t.Cleanup(func() { s.Close() })
	return s
}

// reopen closes and opens the store.
func (s *testStore) reopen(t testing.TB) {
	t.Helper()
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	s.DB, err = Open(s.path, s.options)
	if err != nil {
		t.Fatal(err)
	}
}

// raw changes the file behind the store's back.
func (s *testStore) raw(t testing.TB, fn func(tx *bolt.Tx) error) {
	t.Helper()
	err := s.bolt.Update(func(tx *bolt.Tx) error {
		err := fn(tx)
		if err != nil {
			return err
		}
		return s.ring.Load().resealHead(tx) // what happens to the trail itself has its own tests
	})
	if err != nil {
		t.Fatal(err)
	}
}

// add stores data as the body of a job that is not due.
func (s *testStore) add(t testing.TB, data []byte) (id BodyID) {
	t.Helper()
	ctx := context.Background()
	w, err := s.NewBody(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Discard()
	_, err = w.Write(data)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, func(tx Tx) (err error) {
		id, err = tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: SealJob, Body: id, Due: time.Now().Add(time.Hour)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (s *testStore) read(id BodyID) ([]byte, error) {
	b, err := s.OpenBody(context.Background(), id)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
}

// problems runs Check.
func (s *testStore) problems(t testing.TB) []string {
	t.Helper()
	r, err := s.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return r.Problems
}

func (s *testStore) sound(t testing.TB) {
	t.Helper()
	if p := s.problems(t); len(p) > 0 {
		t.Fatalf("problems: %s", strings.Join(p, "\n"))
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func address(t testing.TB, text string) mime.Address {
	t.Helper()
	a, err := mime.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func text(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n] }
