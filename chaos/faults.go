package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A weather is all that goes wrong beside the kills: one thing at a time for
// each of its goroutines, and each of them for a while.
type weather struct {
	mu     sync.Mutex
	random *rand.Rand
	faults []fault
	deck   []fault        // what is still to come before any comes again
	count  map[string]int // how often each did harm
}

// A fault is something that goes wrong for a while. It puts right what it did, and
// says whether it did harm: a link on which nothing went by is no fault.
type fault struct {
	name string
	run  func(ctx context.Context, random *rand.Rand) (harm bool)
}

func newWeather(faults []fault, random *rand.Rand, count map[string]int) *weather {
	for _, f := range faults {
		count[f.name] = 0 // one that never comes is told as well
	}
	return &weather{random: random, faults: faults, count: count}
}

// blow lets faults come and go until ctx ends.
func (w *weather) blow(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		w.bring(ctx, random)
		wait(ctx, time.Duration(random.Int64N(int64(time.Second))))
	}
}

// bring has one fault come and go.
func (w *weather) bring(ctx context.Context, random *rand.Rand) {
	f := w.deal()
	if f.run(ctx, random) {
		w.mu.Lock()
		w.count[f.name]++
		w.mu.Unlock()
	}
}

// deal takes the next fault of a shuffled deck, so that all come as often.
func (w *weather) deal() fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.deck) == 0 {
		w.deck = slices.Clone(w.faults)
		w.random.Shuffle(len(w.deck), func(i, j int) { w.deck[i], w.deck[j] = w.deck[j], w.deck[i] })
	}
	f := w.deck[0]
	w.deck = w.deck[1:]
	return f
}

// spell is how long a fault lasts.
func spell(random *rand.Rand) time.Duration {
	return 300*time.Millisecond + time.Duration(random.Int64N(int64(2*time.Second)))
}

// faultsOf are all faults of a world.
func faultsOf(w *world) []fault {
	all := []fault{
		{"DNS hangs", func(ctx context.Context, random *rand.Rand) bool {
			before := w.dns.Asked()
			w.dns.Silence("example")
			wait(ctx, spell(random))
			w.dns.Silence("")
			return w.dns.Asked() > before
		}},
		{"LDAP hangs", func(ctx context.Context, random *rand.Rand) bool {
			before := w.ldap.held.Load()
			w.ldap.shut.Store(true)
			wait(ctx, spell(random))
			w.ldap.shut.Store(false)
			return w.ldap.held.Load() > before
		}},
	}
	for _, spoils := range []struct {
		mode mode
		name string
	}{{cutsData, "reset in the middle of DATA"}, {cutsAnswer, "reset before 250"}, {defers, "storm of 4xx"}, {hangs, "silent peer"}} {
		all = append(all, fault{spoils.name, func(ctx context.Context, random *rand.Rand) bool {
			l := w.links[random.IntN(len(w.links))]
			before := l.spoilt[spoils.mode].Load()
			l.set(spoils.mode)
			wait(ctx, spell(random))
			l.set(passes)
			return l.spoilt[spoils.mode].Load() > before
		}})
	}
	onHouse := func(name string, run func(ctx context.Context, random *rand.Rand, h *house) bool) {
		all = append(all, fault{name, func(ctx context.Context, random *rand.Rand) bool {
			return run(ctx, random, w.houses[random.IntN(len(w.houses))])
		}})
	}
	onHouse("clock steps an hour", stepClock)
	onHouse("slow loris", slowLoris)
	onHouse("reset while handing in", resetInData)
	if !canFillDisks {
		return all
	}
	onHouse("disk full", func(ctx context.Context, random *rand.Rand, h *house) bool {
		w.calm.Lock()
		defer w.calm.Unlock()
		w.disks[h].full(h)
		wait(ctx, spell(random))
		w.disks[h].free(h)
		return true
	})
	return all
}

// stepClock sets the wall clock of a gateway an hour forward or back.
func stepClock(ctx context.Context, random *rand.Rand, h *house) bool {
	offset := []string{"1h", "-1h"}[random.IntN(2)]
	err := os.WriteFile(h.clockFile(), []byte(offset), 0o600) // a full disk keeps the clock as it is
	wait(ctx, spell(random))
	_ = os.Remove(h.clockFile())
	return err == nil
}

// slowLoris keeps connections open with a character now and then.
func slowLoris(ctx context.Context, random *rand.Rand, h *house) bool {
	const clients = 20
	ctx, cancel := context.WithTimeout(ctx, spell(random))
	defer cancel()
	var all sync.WaitGroup
	var open atomic.Bool
	for i := range clients {
		addr := []string{h.submission, h.backbone, h.imaps}[i%3]
		all.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return
			}
			defer conn.Close()
			open.Store(true)
			for ctx.Err() == nil {
				_, err = io.WriteString(conn, "E")
				if err != nil {
					return
				}
				wait(ctx, 100*time.Millisecond)
			}
		})
	}
	all.Wait()
	return open.Load()
}

// resetInData begins messages at a backbone and goes away in the middle.
func resetInData(ctx context.Context, random *rand.Rand, h *house) (harm bool) {
	for range 1 + random.IntN(10) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.backbone)
		if err != nil {
			return harm
		}
		_ = conn.SetDeadline(time.Now().Add(sessionTime))
		in := make([]byte, 512)
		for _, line := range []string{"EHLO far.example", "MAIL FROM:<mallory@far.example>", "RCPT TO:<" + users()[h.domain] + ">", "DATA"} {
			_, err = conn.Read(in)
			if err == nil {
				_, err = io.WriteString(conn, line+"\r\n")
			}
		}
		if err == nil {
			_, _ = conn.Read(in)
			_, err = io.WriteString(conn, "From: <mallory@far.example>\r\nhalf a head")
			harm = harm || err == nil
		}
		reset(conn)
	}
	return harm
}
