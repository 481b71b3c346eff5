package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"postern/internal/gateway/task"
	"postern/store"
)

// A shortage has all steps wait while the store says that it is full: each would
// read its message in vain. The zero shortage is none.
type shortage struct {
	mu    sync.Mutex
	over  chan struct{} // closed in the end; nil while there is none
	tried bool          // somebody tries whether it is over
	since time.Time     // by the queue's clock
	ended time.Time     // the one before
	row   int           // of those that came soon after another
}

// soonAfter is how long after a shortage another is as good as the same: what fits is
// not enough for what waits, which tries ever more seldom then.
const soonAfter = time.Minute

// spaceBytes is what a store that is not full can take: more than a part of a body,
// so that one of them is written.
const spaceBytes = 256<<10 + 1

// storeFull begins a shortage, unless there is one.
func (c *Core) storeFull(err error) {
	s := &c.shortage
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return
	}
	s.over, s.since = make(chan struct{}), c.Steady()
	s.row++
	if s.since.Sub(s.ended) > soonAfter {
		s.row = 0
	}
	c.Log.Error("nothing can be written: all steps wait until something can", "err", err)
}

// short reports whether there is a shortage.
func (s *shortage) short() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over != nil
}

// awaitSpace returns when there is no shortage any more, or false when ctx is done.
// One of those that wait tries for all.
func (c *Core) awaitSpace(ctx context.Context) bool {
	s := &c.shortage
	s.mu.Lock()
	over, first := s.over, !s.tried
	s.tried = over != nil
	s.mu.Unlock()
	switch {
	case over == nil:
		return ctx.Err() == nil
	case first:
		return c.endShortage(ctx)
	}
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// endShortage waits until something can be written and lets all steps go on.
func (c *Core) endShortage(ctx context.Context) bool {
	s := &c.shortage
	for n := s.row; ; n++ { // which nobody changes before the end
		if !task.Pause(ctx, growing(n)) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.tried = false
			return false
		}
		err := c.trySpace(ctx)
		if ctx.Err() == nil && !errors.Is(err, store.ErrFull) { // of anything else the steps will tell
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.over)
	s.over, s.tried, s.ended = nil, false, c.Steady()
	c.Log.Info("the store can be written again: all steps go on", "took", s.ended.Sub(s.since))
	return true
}

// trySpace writes what is removed at once.
func (c *Core) trySpace(ctx context.Context) error {
	w, err := c.Store.NewBody(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	_, err = w.Write(make([]byte, spaceBytes))
	return err
}
