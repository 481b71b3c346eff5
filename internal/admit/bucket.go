package admit

import "time"

// A fill says how a bucket fills: so much a second, up to its size.
type fill struct{ rate, size float64 }

// span is how long an empty bucket takes to fill up.
func (f fill) span() time.Duration { return time.Duration(f.size / f.rate * float64(time.Second)) }

// A bucket is what somebody had left at a time.
type bucket struct {
	left float64
	at   time.Time
}

// refill returns the bucket at another time. Callers who read the clock at once come a
// little out of order, which takes nothing away; a clock that was set back gives
// nothing.
func (f fill) refill(b bucket, now time.Time) bucket {
	since := now.Sub(b.at)
	switch {
	case since >= 0:
		return bucket{min(b.left+since.Seconds()*f.rate, f.size), now}
	case since <= -f.span():
		return bucket{b.left, now}
	}
	return b
}
