package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// A weather is all that goes wrong beside the kills: one thing at a time for
// each of its goroutines, and each of them for a while.
type weather struct {
	t      testing.TB
	faults []fault
	calm   *sync.Mutex // held while a disk is full: the kills wait

	mu    sync.Mutex
	count map[string]int
}

// A fault is something that goes wrong for a while. It puts right what it did.
type fault struct {
	name string
	run  func(ctx context.Context, random *rand.Rand)
}

// blow lets faults come and go until ctx ends.
func (w *weather) blow(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		f := w.faults[random.IntN(len(w.faults))]
		w.mu.Lock()
		w.count[f.name]++
		w.mu.Unlock()
		f.run(ctx, random)
		wait(ctx, time.Duration(random.Int64N(int64(time.Second))))
	}
}

// spell is how long a fault lasts.
func spell(random *rand.Rand) time.Duration {
	return 300*time.Millisecond + time.Duration(random.Int64N(int64(2*time.Second)))
}

// faultsOf are all faults of a world.
func faultsOf(w *world) []fault {
	all := []fault{
		{"DNS hangs", func(ctx context.Context, random *rand.Rand) {
			w.dns.Silence("example")
			wait(ctx, spell(random))
			w.dns.Silence("")
		}},
		{"LDAP hangs", func(ctx context.Context, random *rand.Rand) {
			w.ldap.shut.Store(true)
			wait(ctx, spell(random))
			w.ldap.shut.Store(false)
		}},
	}
	for _, spoils := range []struct {
		mode mode
		name string
	}{{cutsData, "reset in the middle of DATA"}, {cutsAnswer, "reset before 250"}, {defers, "storm of 4xx"}, {hangs, "silent peer"}} {
		all = append(all, fault{spoils.name, func(ctx context.Context, random *rand.Rand) {
			l := w.links[random.IntN(len(w.links))]
			l.set(spoils.mode)
			wait(ctx, spell(random))
			l.set(passes)
		}})
	}
	onHouse := func(name string, run func(ctx context.Context, random *rand.Rand, h *house)) {
		all = append(all, fault{name, func(ctx context.Context, random *rand.Rand) {
			run(ctx, random, w.houses[random.IntN(len(w.houses))])
		}})
	}
	onHouse("clock steps an hour", stepClock)
	onHouse("slow loris", slowLoris)
	onHouse("reset while handing in", resetInData)
	if !canFillDisks {
		return all
	}
	onHouse("disk full", func(ctx context.Context, random *rand.Rand, h *house) {
		w.calm.Lock()
		defer w.calm.Unlock()
		w.disks[h].full(h)
		wait(ctx, spell(random))
		w.disks[h].free(h)
	})
	return all
}

// stepClock sets the wall clock of a gateway an hour forward or back.
func stepClock(ctx context.Context, random *rand.Rand, h *house) {
	offset := []string{"1h", "-1h"}[random.IntN(2)]
	_ = os.WriteFile(h.clockFile(), []byte(offset), 0o600) // a full disk keeps the clock as it is
	wait(ctx, spell(random))
	_ = os.Remove(h.clockFile())
}

// slowLoris keeps connections open with a character now and then.
func slowLoris(ctx context.Context, random *rand.Rand, h *house) {
	const clients = 20
	ctx, cancel := context.WithTimeout(ctx, spell(random))
	defer cancel()
	var all sync.WaitGroup
	for i := range clients {
		addr := []string{h.submission, h.backbone, h.imaps}[i%3]
		all.Go(func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
			if err != nil {
				return
			}
			defer conn.Close()
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
}

// resetInData begins messages at a backbone and goes away in the middle.
func resetInData(ctx context.Context, random *rand.Rand, h *house) {
	for range 1 + random.IntN(10) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", h.backbone)
		if err != nil {
			return
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
			_, _ = io.WriteString(conn, "From: <mallory@far.example>\r\nhalf a head")
		}
		reset(conn)
	}
}
