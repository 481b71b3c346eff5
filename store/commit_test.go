package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"postern/mime"
)

func domainNumber(i int) mime.Domain { return mime.Domain(fmt.Sprintf("d%d.example", i)) }

// hold occupies the writer until the returned function is called, and returns
// when it does.
func (s *testStore) hold(t *testing.T) (release func()) {
	t.Helper()
	started, free, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- s.commits.between(context.Background(), func() error {
			close(started)
			<-free
			return nil
		})
	}()
	<-started
	return func() {
		t.Helper()
		close(free)
		err := <-done
		if err != nil {
			t.Error(err)
		}
	}
}

// queued starts n updates and returns when they all wait for their turn.
func (s *testStore) queued(n int, update func(i int) error) (wait func() []error) {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = update(i) })
		for s.commits.waiting() <= i {
			runtime.Gosched()
		}
	}
	return func() []error {
		wg.Wait()
		return errs
	}
}

func (s *testStore) lastTx(t *testing.T) (id int) {
	t.Helper()
	err := s.bolt.View(func(tx *bolt.Tx) error {
		id = tx.ID()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTransactionsThatWaitTogetherAreOneCommit(t *testing.T) {
	s := newTestStore(t, Options{})
	release := s.hold(t)
	wait := s.queued(100, func(i int) error {
		return s.Update(context.Background(), func(tx Tx) error { return tx.PutDomain(Domain{Name: domainNumber(i)}) })
	})
	before := s.lastTx(t)
	release()
	for _, err := range wait() {
		if err != nil {
			t.Error(err)
		}
	}
	if n := s.lastTx(t) - before; n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// Failures, panics and functions that end their goroutine stand in the middle
// of a batch; everything else of it is kept, and nothing of theirs.
func TestAFailureInABatchHurtsNobodyElse(t *testing.T) {
	s := newTestStore(t, Options{})
	wrong := errors.New("wrong")
	release := s.hold(t)
	wait := s.queued(60, func(i int) error {
		return s.Update(context.Background(), func(tx Tx) error {
			if i%6 != 5 {
				err := tx.PutDomain(Domain{Name: domainNumber(i)})
				if err != nil {
					return err
				}
			}
			switch i % 6 {
			case 1, 5:
				return wrong
			case 3:
				panic("at work")
			}
			return nil
		})
	})
	release()
	for i, err := range wait() {
		var panicked *PanicError
		switch i % 6 {
		case 1, 5:
			wantError(t, err, wrong)
		case 3:
			if !errors.As(err, &panicked) || !strings.Contains(string(panicked.Stack), "TestAFailure") {
				t.Errorf("update %d: %v", i, err)
			}
		default:
			if err != nil {
				t.Errorf("update %d: %v", i, err)
			}
		}
	}
	err := s.View(context.Background(), func(tx Tx) error {
		for i := range 60 {
			_, err := tx.Domain(domainNumber(i))
			want := i%6 == 0 || i%6 == 2 || i%6 == 4
			if (err == nil) != want {
				t.Errorf("domain %d: %v", i, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
}

// A function may fail over what another of the batch wrote, and that other
// then fails as well: then the first must not have failed.
func TestAnErrorIsJudgedByWhatIsOnDisk(t *testing.T) {
	s := newTestStore(t, Options{})
	wrong := errors.New("wrong")
	create := func(tx Tx) error {
		_, err := tx.CreateMailbox(address(t, "a@b.example"), "x")
		return err
	}
	release := s.hold(t)
	wait := s.queued(2, func(i int) error {
		return s.Update(context.Background(), func(tx Tx) error {
			err := errors.Join(tx.PutDomain(Domain{Name: domainNumber(i)}), create(tx))
			if err == nil && i == 0 {
				err = wrong
			}
			return err
		})
	})
	release()
	errs := wait()
	wantError(t, errs[0], wrong)
	if errs[1] != nil {
		t.Errorf("the second: %v", errs[1])
	}
}

func TestAGoroutineThatEndsInATransactionIsReplaced(t *testing.T) {
	s := newTestStore(t, Options{})
	release := s.hold(t)
	wait := s.queued(3, func(i int) error {
		return s.Update(context.Background(), func(tx Tx) error {
			if i == 1 {
				runtime.Goexit()
			}
			return nil
		})
	})
	release()
	if errs := wait(); errs[1] == nil {
		t.Error("the abandoned transaction succeeded")
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = s.Update(context.Background(), func(Tx) error {
			runtime.Goexit()
			return nil
		})
	})
	wg.Wait()
	err := s.Update(context.Background(), func(tx Tx) error { return tx.PutDomain(Domain{Name: "a.example"}) })
	if err != nil {
		t.Error(err)
	}
}

func TestAContextEndsTheWaitForATurn(t *testing.T) {
	s := newTestStore(t, Options{})
	release := s.hold(t)
	ctx, cancel := context.WithCancel(context.Background())
	ran := false
	wait := s.queued(1, func(int) error {
		return s.Update(ctx, func(Tx) error {
			ran = true
			return nil
		})
	})
	cancel()
	wantError(t, wait()[0], context.Canceled)
	release()
	err := s.Update(context.Background(), func(Tx) error { return nil })
	if err != nil || ran {
		t.Errorf("ran: %v, %v", ran, err)
	}
}

func TestCloseAnswersThoseWhoWait(t *testing.T) {
	s := newTestStore(t, Options{})
	release := s.hold(t)
	wait := s.queued(5, func(int) error {
		return s.Update(context.Background(), func(Tx) error { return nil })
	})
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	for _, err := range wait() {
		wantError(t, err, ErrClosed)
	}
	release()
	err := <-closed
	if err != nil {
		t.Error(err)
	}
}

// Batches end by bytes, so that the memory of a commit does not grow with the
// number of writers.
func TestABatchIsBoundedInBytes(t *testing.T) {
	s := newTestStore(t, Options{})
	const writers = 64
	bodies := make([]BodyWriter, writers)
	for i := range bodies {
		w, err := s.NewBody(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(text(200 << 10))
		if err != nil {
			t.Fatal(err)
		}
		bodies[i] = w
	}
	release := s.hold(t)
	before := s.lastTx(t)
	wait := s.queued(writers, func(i int) error {
		return s.Update(context.Background(), func(tx Tx) error {
			id, err := tx.PutBody(bodies[i])
			if err != nil {
				return err
			}
			_, err = tx.Enqueue(Job{Kind: SealJob, Body: id, Due: s.now()})
			return err
		})
	})
	release()
	for _, err := range wait() {
		if err != nil {
			t.Error(err)
		}
	}
	if n := s.lastTx(t) - before; n < 3 || n > 5 {
		t.Errorf("%d commits of 12.5 MiB", n)
	}
}
