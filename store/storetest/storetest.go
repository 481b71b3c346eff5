// Package storetest is the suite that every implementation of store.Store must
// pass. Each test is one promise of the interfaces.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/mime"
	"postern/store"
)

// Run runs the suite. open returns a new, empty store, which the suite closes.
func Run(t *testing.T, open func(*testing.T) store.Store) {
	for _, group := range []map[string]func(*suite){
		transactionTests(), bodyTests(), structureTests(), directoryTests(), aliasTests(), accessTests(), bundleTests(), keyRequestTests(), hookTests(), documentTests(), mailboxTests(), queueTests(), trackTests(), deliveredTests(), requestTests(), certCacheTests(), fetchedTests(), wholeTests(), careTests(),
	} {
		for name, test := range group {
			t.Run(name, func(t *testing.T) {
				s := &suite{T: t, Store: open(t), ctx: t.Context()}
				defer func() {
					if err := s.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				}()
				test(s)
			})
		}
	}
}

// A suite is one test with its store.
type suite struct {
	*testing.T
	store.Store
	ctx context.Context
}

// noon is a time that the tests use; nothing depends on today.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// is fails unless err wraps want.
func (s *suite) is(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("got error %v, want %v", err, want)
	}
}

// equal compares all but the eras, which the store gives.
func (s *suite) equal(got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(sameAddress), cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(store.Era(0))); diff != "" {
		s.Fatalf("(-want +got)\n%s", diff)
	}
}

func sameAddress(a, b mime.Address) bool { return a == b }

func (s *suite) update(fn func(store.Tx) error) {
	s.Helper()
	s.must(s.Update(s.ctx, fn))
}

func (s *suite) view(fn func(store.Tx) error) {
	s.Helper()
	s.must(s.View(s.ctx, fn))
}

func (s *suite) address(text string) mime.Address {
	s.Helper()
	a, err := mime.ParseAddress(text)
	s.must(err)
	return a
}

// body writes a body that is not yet part of the store.
func (s *suite) body(data []byte) store.BodyWriter {
	s.Helper()
	w, err := s.NewBody(s.ctx)
	s.must(err)
	_, err = w.Write(data)
	s.must(err)
	return w
}

// mailbox creates a mailbox.
func (s *suite) mailbox(name string) store.Mailbox {
	s.Helper()
	var m store.Mailbox
	s.update(func(tx store.Tx) (err error) {
		m, err = tx.CreateMailbox(s.address("doctor@b.example"), name)
		return err
	})
	return m
}

// deliver puts a new message into a mailbox.
func (s *suite) deliver(id store.MailboxID, text string, flags ...string) store.Message {
	s.Helper()
	w := s.body([]byte(text))
	defer w.Discard()
	var m store.Message
	s.update(func(tx store.Tx) error {
		b, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		m, err = tx.Append(id, store.Message{Body: b, Flags: flags, Received: noon()})
		return err
	})
	return m
}

// enqueue puts a new job into the queue and returns it as it is stored.
func (s *suite) enqueue(j store.Job) store.Job {
	s.Helper()
	id := s.enqueueOnly(j)
	s.view(func(tx store.Tx) (err error) {
		j, err = tx.Job(id)
		return err
	})
	return j
}

// enqueueOnly does not look at the job again, which somebody may have claimed.
func (s *suite) enqueueOnly(j store.Job) (id store.JobID) {
	s.Helper()
	w := s.body([]byte("job"))
	defer w.Discard()
	s.update(func(tx store.Tx) (err error) {
		j.Body, err = tx.PutBody(w)
		if err != nil {
			return err
		}
		id, err = tx.Enqueue(j)
		return err
	})
	return id
}

func (s *suite) reads(id store.BodyID, want []byte) {
	s.Helper()
	b, err := s.OpenBody(s.ctx, id)
	s.must(err)
	got, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	s.must(err)
	if !bytes.Equal(got, want) {
		s.Fatalf("body %d: got %d bytes, want %d, or others", id, len(got), len(want))
	}
}

func (s *suite) gone(id store.BodyID) {
	s.Helper()
	_, err := s.OpenBody(s.ctx, id)
	s.is(err, store.ErrNotFound)
}

// sound runs Check.
func (s *suite) sound() store.CheckReport {
	s.Helper()
	r, err := s.Check(s.ctx)
	s.must(err)
	if len(r.Problems) > 0 {
		s.Fatalf("problems: %q", r.Problems)
	}
	return r
}

// forgetsThree forgets what is older than three hours after noon, of what there is an
// hour apart from noon on, two at a time.
func (s *suite) forgetsThree(forget func(tx store.Tx, before time.Time, most int) (int, error)) {
	s.Helper()
	for _, row := range []struct {
		before     time.Time
		most, want int
	}{{noon(), 10, 0}, {noon().Add(3 * time.Hour), 2, 2}, {noon().Add(3 * time.Hour), 2, 1}, {noon().Add(3 * time.Hour), 2, 0}} {
		s.update(func(tx store.Tx) error {
			n, err := forget(tx, row.before, row.most)
			s.equal(n, row.want)
			return err
		})
		s.sound()
	}
}
