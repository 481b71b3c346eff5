package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// longestWait bounds the wait for a due time, so that a clock that was set is
// noticed within it.
const longestWait = time.Second

// claims are the schedule with those that wait for its jobs. They are kept in
// memory alone: one process owns the store, and when it ends its claims are over.
type claims struct {
	mu       sync.Mutex
	schedule schedule
	now      func() time.Time
	waiters  map[JobKind][]*waiter // first come, first served
	look     time.Time             // when the loop looks next, by the real clock
	kick     chan struct{}         // of capacity 1: it is to look earlier
}

// A waiter is a call of Claim.
type waiter struct {
	got chan item // of capacity 1
}

func newClaims(now func() time.Time) claims {
	return claims{schedule: newSchedule(), now: now, waiters: make(map[JobKind][]*waiter), kick: make(chan struct{}, 1)}
}

// change changes the schedule and serves those that wait.
func (c *claims) change(fn func(s *schedule)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.schedule.at(sortable(c.now()))
	fn(&c.schedule)
	c.serve()
}

// serve hands out what there is, and sees to it that the loop looks again in
// time.
func (c *claims) serve() {
	wait, waiting := longestWait, false
	for kind, all := range c.waiters {
		n := 0
		for n < len(all) {
			it, ok := c.schedule.pick(kind)
			if !ok {
				break
			}
			all[n].got <- it
			n++
		}
		all = slices.Delete(all, 0, n)
		c.waiters[kind] = all
		at, ok := c.schedule.next(kind)
		if len(all) > 0 && ok {
			waiting = true
			wait = min(wait, timeOfSortable(at).Sub(timeOfSortable(c.schedule.now)))
		}
	}
	if !waiting {
		return
	}
	look := time.Now().Add(max(wait, time.Millisecond))
	if c.look.IsZero() || look.Before(c.look) {
		c.look = look
		signal(c.kick)
	}
}

// take returns the next job of a kind, or waits for one.
func (c *claims) take(ctx context.Context, closing <-chan struct{}, kind JobKind) (item, error) {
	w := &waiter{got: make(chan item, 1)}
	c.change(func(*schedule) { c.waiters[kind] = append(c.waiters[kind], w) })
	select {
	case it := <-w.got:
		return it, nil
	case <-ctx.Done():
		return item{}, c.leave(kind, w, ctx.Err())
	case <-closing:
		return item{}, c.leave(kind, w, ErrClosed)
	}
}

// leave takes a waiter off the list; what it was given meanwhile goes back.
func (c *claims) leave(kind JobKind, w *waiter, why error) error {
	c.change(func(s *schedule) {
		all := c.waiters[kind]
		if i := slices.Index(all, w); i >= 0 {
			c.waiters[kind] = slices.Delete(all, i, i+1)
			return
		}
		s.release((<-w.got).id)
	})
	return why
}

// Claim implements Store. A job whose record is damaged is handed out once, as
// an error, and then left alone until the store is opened again.
func (db *DB) Claim(ctx context.Context, kind JobKind) (Job, error) {
	err := ctx.Err()
	if err != nil {
		return Job{}, err
	}
	for {
		it, err := db.claims.take(ctx, db.closing, kind)
		if err != nil {
			return Job{}, err
		}
		var job Job
		err = db.view(func(t *tx) (err error) {
			job, err = t.Job(it.id)
			return err
		})
		if err == nil && !job.Idle() && itemOf(job) == it {
			return job, nil
		}
		db.claims.change(func(s *schedule) { s.correct(it, job, err) })
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Job{}, fmt.Errorf("claiming a job: %w", err)
		}
	}
}

// correct ends a claim on a job that is not as the schedule has it. A commit
// changed it just now, of which the schedule is told next, or its place in the
// index was damaged.
func (s *schedule) correct(it item, job Job, err error) {
	switch {
	case err == nil && !job.Idle():
		s.set(itemOf(job))
	case err == nil, errors.Is(err, ErrNotFound), errors.Is(err, ErrCorrupt):
		s.remove(it.id)
	}
	s.release(it.id)
}

// Release implements Store.
func (db *DB) Release(id JobID) { db.claims.change(func(s *schedule) { s.release(id) }) }

// Limit implements Store.
func (db *DB) Limit(kind JobKind, l Limits) { db.claims.change(func(s *schedule) { s.limit(kind, l) }) }

// Pause implements Store.
func (db *DB) Pause(kind JobKind, lane string, until time.Time) {
	db.claims.change(func(s *schedule) { s.pause(kind, lane, sortable(until)) })
}

// Resume implements Store.
func (db *DB) Resume(kind JobKind, lane string) {
	db.claims.change(func(s *schedule) { s.resume(kind, lane) })
}

// Pace implements Store.
func (db *DB) Pace(kind JobKind, lane, flow string, until time.Time, step time.Duration) {
	p := flowPace{step: step}
	if !until.IsZero() {
		p.from = sortable(until)
	}
	db.claims.change(func(s *schedule) { s.pace(kind, lane, flow, p) })
}

// Waits implements Store.
func (db *DB) Waits(kind JobKind, lane string) bool {
	db.claims.mu.Lock()
	defer db.claims.mu.Unlock()
	return db.claims.schedule.waits(kind, lane)
}

// claimLoop serves those that wait when a job becomes due. While any waits it
// looks once a second at least, whatever the clock does meanwhile.
func (db *DB) claimLoop() {
	defer db.running.Done()
	c := &db.claims
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	for {
		select {
		case <-c.kick:
			c.mu.Lock()
			timer.Reset(time.Until(c.look))
			c.mu.Unlock()
		case <-timer.C:
			c.mu.Lock()
			c.look = time.Time{}
			c.mu.Unlock()
			c.change(func(*schedule) {})
		case <-db.closing:
			return
		}
	}
}
