package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// longestWait bounds the wait for a due time, so that a clock that was set is
// noticed.
const longestWait = time.Minute

// claims are the jobs in work. They are kept in memory alone: one process owns
// the store, and when it ends its claims are over.
type claims struct {
	mu      sync.Mutex
	claimed map[JobID]struct{}
	waiters []*waiter // first come, first served
	kick    chan struct{}
}

// A waiter is a call of Claim.
type waiter struct {
	kinds []JobKind
	got   chan claim // of capacity 1
}

type claim struct {
	job Job
	err error
}

func (c *claims) wake() { signal(c.kick) }

// drop ends a claim.
func (c *claims) drop(id JobID) {
	c.mu.Lock()
	delete(c.claimed, id)
	c.mu.Unlock()
	c.wake()
}

// leave takes a waiter off the list and says whether it was on it.
func (c *claims) leave(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiters, w)
	if i < 0 {
		return false
	}
	c.waiters = slices.Delete(c.waiters, i, i+1)
	return true
}

// Claim implements Store. A job whose record is damaged is handed out once, as
// an error, and then left alone until the store is opened again.
func (db *DB) Claim(ctx context.Context, kinds ...JobKind) (Job, error) {
	if len(kinds) == 0 {
		return Job{}, errors.New("claiming a job of no kind")
	}
	err := ctx.Err()
	if err != nil {
		return Job{}, err
	}
	w := &waiter{kinds: kinds, got: make(chan claim, 1)}
	db.claims.mu.Lock()
	db.claims.waiters = append(db.claims.waiters, w)
	db.claims.mu.Unlock()
	db.claims.wake()
	select {
	case got := <-w.got:
		return got.job, got.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-db.closing:
		err = ErrClosed
	}
	if !db.claims.leave(w) { // it was served meanwhile
		got := <-w.got
		if got.err == nil {
			db.Release(got.job.ID)
		}
	}
	return Job{}, err
}

// Release implements Store.
func (db *DB) Release(id JobID) { db.claims.drop(id) }

// claimLoop serves the waiters when something changed and when a job becomes
// due.
func (db *DB) claimLoop() {
	defer db.running.Done()
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	for {
		select {
		case <-db.claims.kick:
		case <-timer.C:
		case <-db.closing:
			return
		}
		timer.Reset(db.serve())
	}
}

// serve hands out what is due and returns how long to wait for more. The
// snapshot is taken under the lock: a job that is in it and not claimed cannot
// have been finished by a claim that was dropped before.
func (db *DB) serve() time.Duration {
	c := &db.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiters) == 0 {
		return longestWait
	}
	wait := longestWait
	err := db.view(func(t *tx) error {
		wait = c.match(t, db.Steady())
		return nil
	})
	if err != nil {
		c.fail(err)
	}
	return wait
}

// fail answers every waiter: the store cannot be read.
func (c *claims) fail(err error) {
	for _, w := range c.waiters {
		w.got <- claim{err: fmt.Errorf("claiming a job: %w", err)}
	}
	c.waiters = nil
}

// match gives each waiter the free job that is due first.
func (c *claims) match(t *tx, now time.Time) time.Duration {
	heads := make(map[JobKind]*dueHead)
	wait := longestWait
	left := c.waiters[:0]
	for _, w := range c.waiters {
		head := c.earliest(t, heads, w.kinds)
		if head == nil {
			left = append(left, w)
			continue
		}
		until := timeOfSortable(head.due).Sub(now)
		if until > 0 {
			wait = min(wait, until)
			left = append(left, w)
			continue
		}
		job, err := t.Job(head.id)
		c.claimed[head.id] = struct{}{}
		w.got <- claim{job: job, err: err}
	}
	clear(c.waiters[len(left):])
	c.waiters = left
	return wait
}

// earliest returns the first free job of the kinds, or nil.
func (c *claims) earliest(t *tx, heads map[JobKind]*dueHead, kinds []JobKind) *dueHead {
	var first *dueHead
	for _, kind := range kinds {
		head, ok := heads[kind]
		if !ok {
			head = newDueHead(t, kind)
			heads[kind] = head
		}
		head.skip(c.claimed)
		if head.id != 0 && (first == nil || head.due < first.due) {
			first = head
		}
	}
	return first
}

// A dueHead is a place in the index of due times of one kind.
type dueHead struct {
	cursor *bolt.Cursor
	prefix []byte
	due    uint64 // as in the key
	id     JobID  // 0 at the end
}

func newDueHead(t *tx, kind JobKind) *dueHead {
	h := &dueHead{cursor: t.in(bucketDue).Cursor(), prefix: append([]byte(kind), 0)}
	k, _ := h.cursor.Seek(h.prefix)
	h.at(k)
	return h
}

func (h *dueHead) at(key []byte) {
	h.id = 0
	if !bytes.HasPrefix(key, h.prefix) || len(key) != len(h.prefix)+16 {
		return
	}
	h.due = binary.BigEndian.Uint64(key[len(h.prefix):])
	h.id = JobID(binary.BigEndian.Uint64(key[len(h.prefix)+8:]))
}

// skip moves on to a job that is not claimed.
func (h *dueHead) skip(claimed map[JobID]struct{}) {
	for h.id != 0 {
		_, taken := claimed[h.id]
		if !taken {
			return
		}
		k, _ := h.cursor.Next()
		h.at(k)
	}
}
