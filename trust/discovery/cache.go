package discovery

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A job finds a value that a cache does not have. It returns soon after its
// context ends, and does not panic.
type job[V any] interface {
	run(ctx context.Context) V
	// conclusive reports whether what run returned counts although nobody waited
	// for the end of it.
	conclusive(v V) bool
}

// A cache keeps values, and has the same job done once for all who wait for it.
type cache[K comparable, V value[K], J job[V]] struct {
	now   func() time.Time
	ended sync.WaitGroup // of flights

	mu           sync.Mutex // guards all below
	kept         lru[K, V]
	flights      map[flightKey[K]]*flight[K, V, J]
	closed       bool
	hits, joined uint64
}

// A flightKey is a job under way. A value that must be fresh is not that of a job
// which began before.
type flightKey[K comparable] struct {
	key   K
	fresh bool
}

// A flight is a job that callers wait for. It goes on for as long as anybody does.
type flight[K comparable, V, J any] struct {
	at        flightKey[K]
	job       J
	cancel    context.CancelFunc
	waiting   int
	abandoned bool
	done      chan struct{} // closed when value is set
	value     V
}

func newCache[K comparable, V value[K], J job[V]](now func() time.Time, maxEntries, maxOctets int) *cache[K, V, J] {
	return &cache[K, V, J]{now: now, kept: lru[K, V]{maxEntries: maxEntries, maxOctets: maxOctets},
		flights: map[flightKey[K]]*flight[K, V, J]{}}
}

var errClosed = errors.New("look-ups have ended")

// get returns the value that is kept under key, unless it shall be fresh, or has
// it found within limit by j or by an equal job under way. The job it returns is
// the one that did it, and zero if none did. The error is that of ctx, or
// errClosed.
func (c *cache[K, V, J]) get(ctx context.Context, key K, fresh bool, limit time.Duration, j J) (v V, by J, err error) {
	v, f, err := c.find(ctx, flightKey[K]{key, fresh}, limit, j)
	if f == nil {
		return v, by, err
	}
	select {
	case <-f.done:
		return f.value, f.job, nil
	case <-ctx.Done():
		c.leave(f)
		return v, f.job, ctx.Err()
	}
}

// find returns what is kept, or else the flight to wait for.
func (c *cache[K, V, J]) find(ctx context.Context, at flightKey[K], limit time.Duration, j J) (v V, f *flight[K, V, J], err error) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.fresh {
		kept, ok := c.kept.get(at.key, now)
		if ok {
			c.hits++
			return kept, nil, nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return v, nil, ctx.Err()
	case c.closed:
		return v, nil, errClosed
	}
	return v, c.join(at, limit, j), nil
}

// join returns the flight to wait for, a new one if there is none. The mutex is
// held.
func (c *cache[K, V, J]) join(at flightKey[K], limit time.Duration, j J) *flight[K, V, J] {
	f := c.flights[flightKey[K]{at.key, true}]
	if f == nil {
		f = c.flights[at]
	}
	if f != nil {
		f.waiting++
		c.joined++
		return f
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	f = &flight[K, V, J]{at: at, job: j, cancel: cancel, waiting: 1, done: make(chan struct{})}
	c.flights[at] = f
	c.ended.Go(func() {
		defer cancel()
		c.land(f, j.run(ctx))
	})
	return f
}

// leave is for a caller that waits no more.
func (c *cache[K, V, J]) leave(f *flight[K, V, J]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.waiting--
	if f.waiting == 0 {
		c.abandon(f)
	}
}

// abandon ends a flight. The mutex is held.
func (c *cache[K, V, J]) abandon(f *flight[K, V, J]) {
	f.abandoned = true
	f.cancel()
	if c.flights[f.at] == f {
		delete(c.flights, f.at)
	}
}

// land keeps what was found and hands it to those who wait.
func (c *cache[K, V, J]) land(f *flight[K, V, J], v V) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !f.abandoned || f.job.conclusive(v) {
		c.kept.put(v, now)
	}
	if c.flights[f.at] == f {
		delete(c.flights, f.at)
	}
	f.value = v
	close(f.done)
}

// peek returns what is kept.
func (c *cache[K, V, J]) peek(key K) (V, bool) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.get(key, now)
}

func (c *cache[K, V, J]) put(v V) {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept.put(v, now)
}

// all returns what is kept, the latest used first.
func (c *cache[K, V, J]) all() []V {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept.all(now)
}

// putAll takes back what all returned, in the same order.
func (c *cache[K, V, J]) putAll(all []V) {
	for i := range all {
		c.put(all[len(all)-1-i])
	}
}

// counts returns how often a value was kept, and how often a job under way was
// joined.
func (c *cache[K, V, J]) counts() (hits, joined uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.joined
}

// close ends what is under way and waits for that. Afterwards only what is kept
// is answered.
func (c *cache[K, V, J]) close() {
	c.mu.Lock()
	c.closed = true
	for _, f := range c.flights {
		c.abandon(f)
	}
	c.mu.Unlock()
	c.ended.Wait()
}
