package gateway

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// live is a world whose sites live by the time of a synctest bubble.
func live(t *testing.T) *world {
	t.Helper()
	w := worldAt(t, time.Now())
	w.clock.Live()
	return w
}

// work runs a site's workers until the function it returns is called.
func (s *site) work() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan struct{})
	go func() { s.Work(ctx); close(done) }()
	return func() { cancel(); <-done }
}

// The workers find due work by themselves, wait for what is to be tried again,
// and end when they are told.
func TestWorkRetriesAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("b.example")
		var tries atomic.Int32
		w.find = func(discovery.Request) (discovery.Result, bool) {
			return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "SERVFAIL")}, tries.Add(1) < 4
		}
		a.accounts("alice@a.example")
		stop := a.work()
		began := time.Now()
		id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		for len(a.jobs()) > 0 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		stop()
		equal(t, "state", a.states(id), []string{"bob@b.example relayed"})
		equal(t, "tries", tries.Load(), 4)
		if took := time.Since(began); took < 90*time.Second || took > 95*time.Second { // three times 30 s, for the domain failed
			t.Errorf("it took %s", took)
		}
		closeStores(w)
	})
}

func closeStores(w *world) {
	for _, s := range w.sites {
		s.Store.Close()
	}
}

// A step that is cut off by stopping leaves its job as it was, for the next start.
func TestWorkGivesJobsBackOnStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		w.site("b.example")
		a.Sender = stuck{}
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		stop := a.work()
		synctest.Wait()
		equal(t, "under way", len(a.jobs(store.RelayJob)), 1)
		stop()
		j := a.jobs()[0]
		equal(t, "attempts", j.Attempts, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		again, err := a.Store.Claim(ctx, store.RelayJob)
		if err != nil || again.ID != j.ID {
			t.Errorf("claimed %+v, %v", again, err)
		}
		closeStores(w)
	})
}

// stuck sends until it is stopped.
type stuck struct{}

func (stuck) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	<-ctx.Done()
	return said(d, reason.PeerUnreachable)
}

// A panic is an error of its job alone, and its value, which may be anything, is
// neither logged nor stored.
func TestPanicInAStep(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	for value, want := range map[any]string{
		canary:             "panic of type string",
		errors.New(canary): "panic of type *errors.errorString",
		nilPanic{}:         "panic: runtime error: invalid memory address or nil pointer dereference",
	} {
		j := a.jobs()[0]
		a.doStep(t.Context(), j, func(context.Context, store.Job) error {
			if value == any(nilPanic{}) {
				var p *store.Job
				p.ID++
			}
			panic(value)
		})
		after := a.jobs()[0]
		equal(t, "reason", after.Reason, "internal")
		equal(t, "detail", after.Detail, want)
		equal(t, "attempts", after.Attempts, j.Attempts+1)
		if !after.Due.After(w.clock.Now()) {
			t.Error("it is tried again at once")
		}
		if strings.Contains(a.log.String(), "CANARY") || !strings.Contains(a.log.String(), "stack=") {
			t.Error("the log shows the value, or no stack")
		}
	}
}

type nilPanic struct{}

// A store that cannot even put a job back must not keep it claimed for ever.
func TestJobThatCannotBePutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		whole := a.Store
		j, err := whole.Claim(t.Context(), store.SealJob)
		if err != nil {
			t.Fatal(err)
		}
		a.Store = &crashing{Store: whole}
		a.doStep(t.Context(), j, func(context.Context, store.Job) error { return errAgain })
		again, err := whole.Claim(t.Context(), store.SealJob)
		if err != nil || again.ID != j.ID || again.Attempts != 0 {
			t.Errorf("claimed %+v, %v", again, err)
		}
		closeStores(w)
	})
}

// Work on messages waits for room, and a message larger than all of it is let in
// alone.
func TestHoldCrypto(t *testing.T) {
	c := &Core{CryptoMemory: 100}
	c.setDefaults()
	release, err := c.holdCrypto(t.Context(), 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.holdCrypto(ctx, 1)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("beside it: %v", err)
	}
	release()
	release, err = c.holdCrypto(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	release()
}
