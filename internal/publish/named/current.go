package named

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"postern/internal/publish"
)

// A current is the index of what is published now. It is made anew when the source
// returns another set.
type current struct {
	source publish.Source
	log    *slog.Logger

	mu      sync.Mutex
	set     *publish.Set    // that latest was made of
	failing bool            // and it was told
	told    map[string]bool // problems of set
	latest  atomic.Pointer[index]
}

var errNotYet = errors.New("what is published is not known yet")

// index returns the index of the present set. While one caller asks the source the
// others get the index that was, so that a source that takes long holds nobody up:
// questions come faster than any of them may wait.
func (c *current) index(ctx context.Context) (*index, error) {
	if !c.mu.TryLock() {
		x := c.latest.Load()
		if x == nil {
			return nil, errNotYet
		}
		return x, nil
	}
	defer c.mu.Unlock()
	if c.source == nil {
		return c.latest.Load(), nil // it never changes
	}
	err := c.renew(ctx)
	c.report(err)
	if err != nil { // what was withdrawn must not be told on
		c.set = nil
		c.latest.Store(nil)
		return nil, err
	}
	return c.latest.Load(), nil
}

func (c *current) renew(ctx context.Context) error {
	set, err := c.source(ctx)
	if err != nil {
		return err
	}
	if set == c.set {
		return nil
	}
	x, problems, err := indexOf(set)
	if err != nil {
		return fmt.Errorf("reading what is published: %w", err)
	}
	c.tell(problems)
	c.set = set
	c.latest.Store(x)
	return nil
}

// tell logs the problems that the set before did not have.
func (c *current) tell(problems []publish.Problem) {
	told := make(map[string]bool, len(problems))
	for _, p := range problems {
		if !c.told[p.Error()] && !told[p.Error()] {
			c.log.Warn("DNS cannot say all that is published", "name", p.Name, "err", p.Err)
		}
		told[p.Error()] = true
	}
	c.told = told
}

// report logs the first of a row of errors, and its end.
func (c *current) report(err error) {
	switch {
	case err != nil && !c.failing:
		c.log.Error("DNS questions cannot be answered", "err", err)
	case err == nil && c.failing:
		c.log.Info("DNS questions are answered again")
	}
	c.failing = err != nil
}
