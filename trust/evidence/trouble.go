package evidence

import (
	"math/rand/v2"
	"time"
)

// Pauses between tries of what fails.
const (
	firstPause = time.Minute
	longPause  = time.Hour
	// forgetAfter is how long after the moment of the next try, unused, a
	// failure still says something.
	forgetAfter = time.Hour
)

// trouble is what is known of failures since the last success.
type trouble struct {
	tries int // that failed one after another
	since time.Time
	next  time.Time // not before then is another try made
	err   error
	down  bool // the server did not answer, or said to come again
}

// add takes note of a failure.
func (t *trouble) add(now time.Time, err error, down bool) {
	if t.forgotten(now) {
		*t = trouble{}
	}
	if t.tries == 0 {
		t.since = now
	}
	t.err, t.down = err, down
	pause := firstPause << min(t.tries, 6)
	pause = min(pause, longPause)
	t.next = now.Add(pause + time.Duration(rand.Int64N(int64(pause)/4)))
	t.tries++
}

// known reports whether something still fails, so that nobody waits for it.
func (t *trouble) known(now time.Time) bool { return t.tries > 0 && !t.forgotten(now) }

// paused reports whether the next try is yet to come.
func (t *trouble) paused(now time.Time) bool { return t.tries > 0 && now.Before(t.next) }

func (t *trouble) forgotten(now time.Time) bool { return now.After(t.next.Add(forgetAfter)) }
