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
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"
)

// A state is what a clock needs to go on.
type state struct {
	// Boot names the start of the machine that Zero belongs to; "" for none.
	Boot string `json:"boot"`
	// Zero is what the clock would have shown when the machine was started.
	Zero time.Time `json:"zero"`
	// Last is a time that the clock has shown.
	Last time.Time `json:"last"`
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

// Resume goes on from what Keep returned; nil is from a clock that never ran. It
// is for the beginning, before anything is measured by the clock. What is not of
// Keep is an error, and the clock goes on as it was.
func (c *Clock) Resume(kept []byte) error {
	var s state
	if kept == nil {
		return nil
	}
	err := json.Unmarshal(kept, &s)
	if err != nil {
		return fmt.Errorf("reading the state of the clock: %w", err)
	}
	if c.boot != "" && s.Boot == c.boot {
		c.zero.Store(s.Zero.UnixNano())
	}
	// A machine whose wall clock lost its battery begins years ago.
	behind := s.Last.Sub(c.Now())
	if behind > 0 {
		c.zero.Add(int64(behind))
	}
	return nil
}

// Keep returns what a clock needs to go on from here.
func (c *Clock) Keep() []byte {
	s := state{Boot: c.boot, Zero: time.Unix(0, c.zero.Load()).UTC(), Last: c.Now()}
	kept, err := json.Marshal(s)
	if err != nil {
		return nil // of a time beyond the year 9999 alone
	}
	return kept
}
