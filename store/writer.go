package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
)

// What is committed together is bounded, so that neither the wait of one nor
// the memory of all grows with the number of writers.
const (
	maxBatchCalls = 256
	maxBatchBytes = 4 << 20
)

// A writer runs batches. After a commit failed in a way that leaves the state
// of the disk unknown it refuses to go on.
type writer struct {
	db     *DB
	broken error
	kept   time.Time                 // when the clock was kept last, by that clock
	wrote  atomic.Pointer[time.Time] // the latest commit, by that clock; nil after one that failed
}

// WroteWithin implements Store.
func (db *DB) WroteWithin(d time.Duration) bool {
	at := db.commits.writer.wrote.Load()
	return at != nil && db.Steady().Sub(*at) <= d
}

// loop commits what queued up. What comes during one commit makes up the next,
// so that there is nothing to wait for when there is one writer, and one fsync
// for all when there are many.
func (w *writer) loop() {
	commits := &w.db.commits
	ended := false
	defer func() {
		if !ended { // by a function that ended the goroutine
			signal(commits.wake)
			go w.loop()
			return
		}
		w.db.running.Done()
	}()
	for {
		select {
		case <-commits.wake:
		case <-w.db.closing:
			ended = true
			return
		}
		for {
			commits.gather()
			w.runAll(commits.take())
			if commits.release() {
				break
			}
		}
	}
}

func (w *writer) runAll(batch []*call) {
	for len(batch) > 0 {
		if batch[0].exclusive != nil {
			batch[0].done <- batch[0].exclusive()
			batch = batch[1:]
			continue
		}
		batch = w.run(batch)
	}
}

// An attempt is one bbolt transaction with the calls that are in it.
type attempt struct {
	bolt  *bolt.Tx
	calls []*call
	errs  []error // of the calls
	after []func()
	bytes int
	wrote bool
}

// run commits as many calls as go together and returns those that are left.
func (w *writer) run(batch []*call) (rest []*call) {
	b, err := w.begin()
	if err != nil {
		w.wrote.Store(nil)
		answer(batch, err)
		return nil
	}
	a := &attempt{bolt: b}
	defer w.survive(a, batch)
	for i, k := range batch {
		if i > 0 && (k.alone || k.exclusive != nil || a.bytes >= maxBatchBytes) {
			w.commit(a)
			return batch[i:]
		}
		t := &tx{bolt: b, db: w.db, writable: true}
		err := t.run(k.fn)
		if err != nil && t.wrote {
			return w.undo(a, batch, i, err)
		}
		a.add(k, t, err)
	}
	w.commit(a)
	return nil
}

func (w *writer) begin() (*bolt.Tx, error) {
	if w.broken != nil {
		return nil, w.broken
	}
	return w.db.bolt.Begin(true)
}

// survive answers for a function that ended the goroutine (runtime.Goexit).
func (w *writer) survive(a *attempt, batch []*call) {
	if a.bolt == nil {
		return
	}
	a.bolt.Rollback()
	answer(batch, errors.New("the transaction was abandoned: a function in it ended its goroutine"))
}

func (a *attempt) add(k *call, t *tx, err error) {
	a.calls = append(a.calls, k)
	a.errs = append(a.errs, err)
	a.bytes += t.bytes
	if err == nil {
		a.after = append(a.after, t.after...)
		a.wrote = a.wrote || t.wrote
	}
}

// undo rolls back because the call at i failed and had written. If nothing was
// written before it, it saw what is on disk, and its error stands. Otherwise it
// may have failed over what another call wrote, so it runs again, alone.
func (w *writer) undo(a *attempt, batch []*call, i int, err error) []*call {
	a.rollback()
	k := batch[i]
	rest := append(batch[:i:i], batch[i+1:]...)
	if !a.wrote {
		k.done <- err
		return rest
	}
	k.alone = true
	return append(rest, k)
}

func (a *attempt) rollback() {
	a.bolt.Rollback()
	a.bolt = nil
}

// commit makes the attempt durable and answers its calls.
func (w *writer) commit(a *attempt) {
	if !a.wrote {
		a.rollback()
		a.answer()
		return
	}
	err := w.sync(a)
	if err != nil {
		w.wrote.Store(nil)
		answer(a.calls, err)
		return
	}
	now := w.db.Steady()
	w.wrote.Store(&now)
	for _, fn := range a.after {
		fn()
	}
	a.answer()
	w.db.clean.resume()
}

// sync commits. bbolt panics over damaged pages; then, and after an error of
// the disk other than a lack of space, what is on disk is not known and the
// store must be opened anew.
func (w *writer) sync(a *attempt) error {
	b := a.bolt
	a.bolt = nil
	_, err := guarded(func() (struct{}, error) {
		err := errors.Join(w.keepClock(b), w.sealTrail(b))
		if err != nil {
			return struct{}{}, errors.Join(err, b.Rollback())
		}
		return struct{}{}, b.Commit()
	})
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrCorrupt) {
		guarded(func() (struct{}, error) { return struct{}{}, b.Rollback() })
	}
	err = commitError(err)
	if !errors.Is(err, ErrFull) {
		w.db.doubt.Store(true) // what is on the disk is not known
		w.broken = fmt.Errorf("the store must be opened again after: %w", err)
	}
	return err
}

func (a *attempt) answer() {
	for i, k := range a.calls {
		k.done <- a.errs[i]
	}
}

func answer(calls []*call, err error) {
	for _, k := range calls {
		k.done <- err
	}
}
