package store

import (
	"context"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// chunks counts the chunks on disk.
func (s *testStore) chunks(t *testing.T) (n int) {
	t.Helper()
	err := s.bolt.View(func(tx *bolt.Tx) error {
		return in(tx, bucketBodies).ForEachBucket(func([]byte) error {
			n++
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnUnfinishedBodyIsGoneAfterARestart(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	kept := s.add(t, text(10<<10))
	w, err := s.NewBody(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(text(1 << 20))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.chunks(t); n < 200 {
		t.Fatalf("only %d chunks were stored as they came", n)
	}
	s.sound(t)
	s.reopen(t)
	s.settle(t)
	if n := s.chunks(t); n != 3 {
		t.Errorf("%d chunks are left, want 3", n)
	}
	s.sound(t)
	next := s.add(t, text(1))
	if next <= kept+1 {
		t.Errorf("body id %d was used twice", next)
	}
}

func TestADiscardedBodyGivesItsSpaceBack(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	w, err := s.NewBody(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(text(1 << 20))
	if err != nil {
		t.Fatal(err)
	}
	w.Discard()
	s.settle(t)
	if n := s.chunks(t); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
}

func TestABigBodyIsRemovedInSteps(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	s.add(t, text(1<<20))
	before := s.lastTx(t)
	err := s.Update(context.Background(), func(tx Tx) error { return tx.Finish(1) })
	if err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	if n := s.chunks(t); n != 0 {
		t.Errorf("%d chunks are left", n)
	}
	if n := s.lastTx(t) - before; n < 4 {
		t.Errorf("%d commits for 256 chunks", n)
	}
	s.sound(t)
}

// What a process left half removed the next one removes.
func TestRemovalGoesOnAfterARestart(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	ctx := context.Background()
	id := s.add(t, text(10))
	var box Mailbox
	err := s.Update(ctx, func(tx Tx) (err error) {
		box, err = tx.CreateMailbox(address(t, "a@b.example"), "x")
		for range 1000 {
			if err == nil {
				_, err = tx.Append(box.ID, Message{Body: id})
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(ctx, func(tx Tx) error { return tx.RemoveMailbox(box.ID) })
	if err != nil {
		t.Fatal(err)
	}
	s.reopen(t)
	s.sound(t)
	s.settle(t)
	r, err := s.Check(ctx)
	if err != nil || r.Messages != 0 || len(r.Problems) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
