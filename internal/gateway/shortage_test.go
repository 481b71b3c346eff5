package gateway

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/store"
)

// While the store is full one try is made for all that waits, ever more seldom. It is
// logged once, no attempt counts, and all goes on by itself when there is space.
func TestAFullStoreHasAllStepsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("b.example")
		a.accounts("alice@a.example")
		const messages, plenty = 50, 1 << 20
		for range messages {
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		}
		var left atomic.Int32
		left.Store(plenty)
		a.Store = refusing{a.Store, &left}
		stop := a.work()
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := plenty - left.Load(); n > 2*messages+130 { // who began before it was known, and twice a minute
			t.Errorf("%d tries to write in an hour", n)
		}
		equal(t, "lines of the log", strings.Count(a.log.String(), "level=ERROR"), 1)
		equal(t, "messages that wait", len(a.jobs(store.SealJob)), messages)
		for _, j := range a.jobs() {
			equal(t, "attempts", j.Attempts, 0)
		}
		left.Store(0)
		time.Sleep(longestStorePause)
		synctest.Wait()
		sent, _ := a.taken()
		equal(t, "sent", len(sent), messages)
		equal(t, "messages that wait with space again", len(a.jobs()), 0)
		equal(t, "ends in the log", strings.Count(a.log.String(), "all steps go on"), 1)
		equal(t, "errors in the log", strings.Count(a.log.String(), "level=ERROR"), 1)
		stop()
		closeStores(w)
	})
}

// What does not fit, though less would, is tried ever more seldom and counts no
// attempt.
func TestWhatDoesNotFitIsTriedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		tries := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.workOn(ctx, ctx, pool{kind: store.SealJob, do: func(context.Context, store.Job) error {
				tries++
				return store.ErrFull
			}})
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if tries < 60 || tries > 130 {
			t.Errorf("%d tries in an hour", tries)
		}
		equal(t, "attempts", a.jobs()[0].Attempts, 0)
		cancel()
		<-done
		closeStores(w)
	})
}
