// Package steady is a clock for deadlines: it goes on as time passes, whatever
// becomes of the wall clock. A queue that follows the wall clock gives up what it
// holds when somebody sets it forward, and stands still when it is set back.
//
// A [Clock] counts from where the machine was started, sleep included, so that a
// process that is started again goes on exactly, wherever the wall clock went
// meanwhile. Only after another start of the machine does it ask the wall clock
// what time it is; it then never begins before the latest time it is known to
// have shown.
package steady

import (
	"sync/atomic"
	"time"
)

// A State is what a Clock must be given back to go on. The zero State is that of
// a clock that never ran.
type State struct {
	// Boot names the start of the machine that Zero belongs to; "" for none.
	Boot string
	// Zero is what the clock would have shown when the machine was started.
	Zero time.Time
	// Last is a time that the clock has shown.
	Last time.Time
}

// A Clock is safe for use by several goroutines.
type Clock struct {
	elapsed func() time.Duration
	boot    string
	zero    atomic.Int64 // Unix nanoseconds
}

// New returns a clock that begins at the wall clock, until it is told by Resume
// where to go on.
func New() *Clock {
	elapsed, boot := sinceBoot()
	return newClock(elapsed, boot, Wall())
}

func newClock(elapsed func() time.Duration, boot string, wall time.Time) *Clock {
	c := &Clock{elapsed: elapsed, boot: boot}
	c.zero.Store(wall.UnixNano() - int64(elapsed()))
	return c
}

// Now is the present by this clock, in UTC. It never goes back but by Resume.
func (c *Clock) Now() time.Time {
	return time.Unix(0, c.zero.Load()+int64(c.elapsed())).UTC()
}

// Resume goes on from a state of an earlier clock and returns what is to be kept
// of this one. It is for the beginning, before anything is measured by the clock.
func (c *Clock) Resume(s State) State {
	if c.boot != "" && s.Boot == c.boot {
		c.zero.Store(s.Zero.UnixNano())
	}
	// A machine whose wall clock lost its battery begins years ago.
	behind := s.Last.Sub(c.Now())
	if !s.Last.IsZero() && behind > 0 {
		c.zero.Add(int64(behind))
	}
	return State{Boot: c.boot, Zero: time.Unix(0, c.zero.Load()).UTC(), Last: c.Now()}
}
