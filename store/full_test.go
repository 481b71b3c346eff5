package store

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	bolterrors "go.etcd.io/bbolt/errors"
)

// A store that is full says so, keeps what it has, and goes on when there is
// room again.
func TestAFullStoreRecovers(t *testing.T) {
	s := newTestStore(t, Options{MaxSize: 40 << 20, chunkSize: 64 << 10})
	var kept []JobID
	ctx := context.Background()
	put := func(size int) error {
		w, err := s.NewBody(ctx)
		if err != nil {
			return err
		}
		defer w.Discard()
		_, err = w.Write(text(size))
		if err != nil {
			return err
		}
		return s.Update(ctx, func(tx Tx) error {
			id, err := tx.PutBody(w)
			if err != nil {
				return err
			}
			job, err := tx.Enqueue(Job{Kind: SealJob, Body: id, Due: s.now()})
			if err == nil {
				kept = append(kept, job)
			}
			return err
		})
	}
	var err error
	for range 200 {
		err = put(500 << 10)
		if err != nil {
			break
		}
	}
	wantError(t, err, ErrFull)
	s.settle(t)
	s.sound(t)
	for range 3 {
		err = s.Update(ctx, func(tx Tx) error {
			for range 10 {
				err := tx.Finish(kept[0])
				if err != nil {
					return err
				}
				kept = kept[1:]
			}
			return nil
		})
		if err != nil {
			t.Fatalf("making room: %v", err)
		}
		for range 8 {
			err = put(500 << 10)
			if err != nil {
				t.Fatalf("after there was room: %v", err)
			}
		}
	}
	s.sound(t)
	s.reopen(t)
	s.sound(t)
}

// A commit says for a while that the next can be made, and one that fails says the
// contrary at once.
func TestWroteWithin(t *testing.T) {
	clock := newTestClock()
	s := newTestStore(t, Options{MaxSize: 40 << 20, Clock: clock})
	ctx := context.Background()
	is := func(when string, want bool) {
		t.Helper()
		if got := s.WroteWithin(time.Second); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	put := func(octets int) error {
		return s.Update(ctx, func(tx Tx) error {
			return tx.PutDocument(Document{Key: "k", Body: make([]byte, octets)})
		})
	}
	is("before anything was written", false)
	err := s.Update(ctx, func(Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	is("after nothing was written", false)
	err = put(1)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(time.Second)
	is("a second later", true)
	clock.Advance(1)
	is("more than a second later", false)
	err = put(1)
	if err != nil {
		t.Fatal(err)
	}
	is("written again", true)
	wantError(t, put(64<<20), ErrFull)
	is("after a failure", false)
}

func TestErrorsOfAFullDisk(t *testing.T) {
	for _, err := range []error{
		syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, bolterrors.ErrMaxSizeReached,
		errors.New("file resize error: truncate store.db: no space left on device"),
	} {
		wantError(t, commitError(err), ErrFull)
	}
	if errors.Is(commitError(syscall.EIO), ErrFull) {
		t.Error("an I/O error is no lack of space")
	}
}

// A disk that can only be read refuses as a full one does, and is not called that.
func TestAReadOnlyDiskIsNotCalledFull(t *testing.T) {
	for _, err := range []error{syscall.EROFS, errors.New("file resize error: truncate store.db: read-only file system")} {
		err := commitError(err)
		wantError(t, err, ErrFull)
		wantError(t, err, ErrUnwritable)
		if strings.Contains(err.Error(), ErrFull.Error()) {
			t.Errorf("it is told as %q", err)
		}
	}
	if errors.Is(commitError(syscall.ENOSPC), ErrUnwritable) {
		t.Error("a full disk is told as one that can only be read")
	}
}
