package store

import (
	"context"
	"runtime"
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

// A committer lets one goroutine at a time write. Whoever comes while nobody
// writes does it himself, which saves a lone writer the way to another
// goroutine and back; what comes meanwhile queues up for the writer's loop.
type committer struct {
	mu      sync.Mutex
	writer  *writer // used by who set busy
	busy    bool
	queue   []*call // empty unless busy
	closed  bool
	running *sync.WaitGroup
	wake    chan struct{} // of capacity 1: the loop takes over busy
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
	if !c.busy {
		c.busy = true
		c.running.Add(1) // not from zero: the loop runs until closed is set
		c.mu.Unlock()
		return c.doNow(k)
	}
	c.queue = append(c.queue, k)
	c.mu.Unlock()
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

func (c *committer) doNow(k *call) error {
	defer c.running.Done()
	defer c.handOver()
	c.writer.runAll([]*call{k})
	return <-k.done
}

// handOver ends the caller's turn to write.
func (c *committer) handOver() {
	if !c.release() {
		signal(c.wake)
	}
}

// release ends the turn of the caller if nobody waits.
func (c *committer) release() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = len(c.queue) > 0
	return !c.busy
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

// gather returns how many calls wait. It lets other goroutines run as long as
// they bring more, so that those who were just answered come back into one
// batch; with nobody else to run it takes no time.
func (c *committer) gather() int {
	for n := c.waiting(); ; {
		runtime.Gosched()
		more := c.waiting()
		if more == n || more >= maxBatchCalls {
			return more
		}
		n = more
	}
}

func (c *committer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
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
