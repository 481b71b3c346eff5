package admit

import (
	"net/netip"
	"testing"
	"time"
)

func network(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

func TestLimiter(t *testing.T) {
	for name, tt := range map[string]struct {
		limiter *Limiter
		steps   []step
	}{
		"as much at once as in a second": {&Limiter{Rate: 10}, []step{
			{0, 1, 1, 15, 10}, {0, 2, 1, 5, 5},
			{300 * time.Millisecond, 1, 1, 15, 3},
			{700 * time.Millisecond, 1, 1, 15, 7}, // past the turn of the span
			{0, 2, 1, 15, 10},                     // it was full again
			{time.Hour, 1, 1, 15, 10},
			{-2 * time.Hour, 1, 1, 15, 0}, // a clock that goes back gives nothing
			{time.Second, 1, 1, 15, 10},
		}},
		"a burst": {&Limiter{Rate: 50, Burst: 100}, []step{
			{0, 1, 1, 200, 100}, {100 * time.Millisecond, 1, 1, 9, 5}, {time.Second, 1, 1, 200, 50},
			{1500 * time.Millisecond, 2, 1, 200, 100}, {0, 1, 1, 200, 75}, {2 * time.Second, 1, 1, 200, 100},
		}},
		"costs": {&Limiter{Rate: 10}, []step{
			{0, 1, 11, 1, 0}, {0, 1, 4, 3, 2}, {0, 1, 0, 1, 1}, {0, 1, -5, 9, 9}, {0, 1, 1, 9, 2},
		}},
		"clocks read at once": {&Limiter{Rate: 10}, []step{
			{0, 1, 1, 15, 10}, {-time.Millisecond, 1, 1, 5, 0}, {time.Millisecond, 1, 1, 5, 0},
			{999 * time.Millisecond, 1, 1, 5, 5}, {time.Millisecond, 1, 1, 1, 1}, // the turn
			{-time.Millisecond, 1, 1, 15, 4}, {0, 2, 1, 15, 10},
		}},
		"none": {&Limiter{}, []step{{0, 1, 1000, 1000, 1000}}},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1_000_000, 0)
			for _, s := range tt.steps {
				now = now.Add(s.wait)
				got := 0
				for range s.times {
					if tt.limiter.Take(network(s.client), s.cost, now) {
						got++
					}
				}
				if got != s.want {
					t.Errorf("%+v: %d", s, got)
				}
			}
		})
	}
}

// A step takes a cost so many times for a client.
type step struct {
	wait                      time.Duration
	client, cost, times, want int
}

// However many clients there are, the memory has an end, and those known before
// keep what they have.
func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	l := Limiter{Rate: 10, Max: 1000}
	known := client(1)
	l.Take(known, 9, now)
	flood := func() (ok int) {
		for i := range 2 * l.Max {
			if l.Take(network(i), 1, now) {
				ok++
			}
		}
		return ok
	}
	if got := flood(); got != l.Max-1 {
		t.Errorf("%d of the flood had something", got)
	}
	if !l.Take(known, 1, now) || l.Take(known, 1, now) {
		t.Error("a known client was forgotten")
	}
	now = now.Add(time.Second)
	if !l.Take(client(2), 1, now) {
		t.Error("a new client has nothing in the next second")
	}
	flood()
	if n := len(l.recent) + len(l.old); n > 2*l.Max {
		t.Errorf("%d clients are kept", n)
	}
	now = now.Add(time.Minute)
	l.Take(known, 1, now)
	if n := len(l.recent) + len(l.old); n != 1 {
		t.Errorf("%d clients are kept after a minute", n)
	}
}
