package store

import (
	"context"
	"sync"
	"sync/atomic"
)

// A call is a transaction waiting for its turn.
type call struct {
	fn    func(*tx) error
	state atomic.Int32
	done  chan error
	// alone is set after fn failed having written, behind others that had
	// written too: it must be first next time, when its failure hurts nobody.
	alone bool
	// exclusive is run between transactions instead of fn.
	exclusive func() error
}

// States of a call. Whoever moves it from waiting owns the answer.
const (
	callWaiting int32 = iota
	callTaken
	callCancelled
)

// A committer queues transactions for the one goroutine that runs them.
type committer struct {
	mu     sync.Mutex
	queue  []*call
	closed bool
	wake   chan struct{} // of capacity 1
}

func (c *committer) submit(ctx context.Context, fn func(*tx) error) error {
	return c.do(ctx, &call{fn: fn, done: make(chan error, 1)})
}

// between runs fn while no transaction writes.
func (c *committer) between(ctx context.Context, fn func() error) error {
	return c.do(ctx, &call{exclusive: fn, done: make(chan error, 1)})
}

func (c *committer) do(ctx context.Context, k *call) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.queue = append(c.queue, k)
	c.mu.Unlock()
	signal(c.wake)
	select {
	case err := <-k.done:
		return err
	case <-ctx.Done():
	}
	if k.state.CompareAndSwap(callWaiting, callCancelled) {
		return ctx.Err()
	}
	// fn may be running: returning now would let it race with the caller.
	return <-k.done
}

// take returns the calls whose turn it is.
func (c *committer) take() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), maxBatchCalls)
	batch := make([]*call, 0, n)
	for _, k := range c.queue[:n] {
		if k.state.CompareAndSwap(callWaiting, callTaken) {
			batch = append(batch, k)
		}
	}
	rest := copy(c.queue, c.queue[n:])
	clear(c.queue[rest:])
	c.queue = c.queue[:rest]
	return batch
}

func (c *committer) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue) == 0
}

// close refuses new calls and answers those whose turn has not come.
func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, k := range c.queue {
		if k.state.CompareAndSwap(callWaiting, callTaken) {
			k.done <- ErrClosed
		}
	}
	c.queue = nil
}

// signal wakes the owner of a channel of capacity 1.
func signal(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
