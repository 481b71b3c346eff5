package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// rotate gives a store another master key, and the test the options for it.
func (s *testStore) rotate(t *testing.T) {
	t.Helper()
	master := NewMasterKey()
	err := s.Rotate(context.Background(), master)
	if err != nil {
		t.Fatal(err)
	}
	s.options.MasterKey = master
}

// After a rotation everything is read as before, what is new is sealed under
// another data key, and the new master key alone opens the store.
func TestRotateKeepsWhatIsSealed(t *testing.T) {
	s := fullStore(t)
	old := s.options
	before := s.add(t, text(10<<10))
	for range 3 {
		s.rotate(t)
	}
	after := s.add(t, text(20<<10))
	if got := s.MasterKeyID(); got != s.options.MasterKey.KeyID() {
		t.Errorf("master key %s", got)
	}
	for range 2 {
		for id, size := range map[BodyID]int{before: 10 << 10, after: 20 << 10} {
			got, err := s.read(id)
			if err != nil || !bytes.Equal(got, text(size)) {
				t.Errorf("body %d: %d bytes, %v", id, len(got), err)
			}
		}
		s.sound(t)
		err := s.view(func(tx *tx) error {
			r, err := tx.bodyRecord(after)
			if r.keyID != 4 {
				t.Errorf("the body is sealed under data key %d", r.keyID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		s.reopen(t)
	}
	err := s.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(s.path, old)
	wantError(t, err, ErrMasterKey)
}

// A rotation that is not committed changes nothing.
func TestARotationThatFailsChangesNothing(t *testing.T) {
	s := fullStore(t)
	ring := s.ring.Load()
	err := s.Rotate(context.Background(), brokenWrapper{})
	if err == nil || s.ring.Load() != ring {
		t.Fatalf("error %v", err)
	}
	s.reopen(t)
	s.sound(t)
}

type brokenWrapper struct{}

func (brokenWrapper) KeyID() string               { return "broken" }
func (brokenWrapper) Wrap([]byte) ([]byte, error) { return nil, errors.New("the keeper is away") }
func (brokenWrapper) Unwrap(string, []byte) ([]byte, error) {
	return nil, errors.New("the keeper is away")
}

// Rotations, writers, readers and backups go side by side.
func TestRotateWhileInUse(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	var all sync.WaitGroup
	stop := make(chan struct{})
	bodies := make(chan BodyID, 1000)
	work := func(fn func() error) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				err := fn()
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 4 {
		work(func() error {
			id := s.add(t, text(9<<10))
			got, err := s.read(id)
			if err != nil || len(got) != 9<<10 {
				return fmt.Errorf("body %d: %d bytes, %w", id, len(got), err)
			}
			select {
			case bodies <- id:
			default:
			}
			return nil
		})
	}
	var rotations sync.WaitGroup
	for range 2 { // two at once
		rotations.Go(func() {
			for range 10 {
				err := s.Rotate(context.Background(), s.options.MasterKey)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	rotations.Wait()
	close(stop)
	all.Wait()
	close(bodies)
	s.sound(t)
	s.reopen(t)
	for id := range bodies {
		_, err := s.read(id)
		if err != nil {
			t.Fatal(err)
		}
	}
	s.sound(t)
}

// backup writes a copy.
func (s *testStore) backup(t testing.TB) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "copy.db"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Backup(context.Background(), f)
	err = errors.Join(err, f.Close())
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func TestVerifyReadsACopy(t *testing.T) {
	s := fullStore(t)
	good := s.backup(t)
	want, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	report, err := s.Verify(context.Background(), good)
	if err != nil || len(report.Problems) > 0 || report.Accounts != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	got, err := os.ReadFile(good)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the copy was changed, %v", err)
	}
	s.rotate(t)
	_, err = s.Verify(context.Background(), good)
	wantError(t, err, ErrMasterKey)
	cut := filepath.Join(t.TempDir(), "cut.db")
	for _, n := range []int{0, 100, 4096, len(want) / 2, len(want) - 4096} {
		err := os.WriteFile(cut, want[:n], 0o600)
		if err != nil {
			t.Fatal(err)
		}
		report, err := s.Verify(context.Background(), cut)
		if err == nil && len(report.Problems) == 0 {
			t.Errorf("a copy that was cut after %d bytes passes", n)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = s.Verify(ctx, s.backup(t))
	wantError(t, err, context.Canceled)
}

func TestPaceRestsAsLongAsItWorked(t *testing.T) {
	p := &pace{work: time.Hour, since: time.Now()}
	if err := p.rest(context.Background()); err != nil {
		t.Error(err)
	}
	p = &pace{work: time.Millisecond, since: time.Now().Add(-time.Hour)}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, p.rest(ctx), context.Canceled)
}

// Who waits for another rotation does so no longer than he may.
func TestARotationIsNotWaitedForWithoutEnd(t *testing.T) {
	s := newTestStore(t, Options{})
	s.rotating <- struct{}{} // another is at it
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	wantError(t, s.Rotate(ctx, NewMasterKey()), context.Canceled)
	<-s.rotating
	s.rotate(t)
}
