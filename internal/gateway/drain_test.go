package gateway

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/gateway/task"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// slow takes a message after a while, unless it is cut off, before its end or after.
type slow struct {
	takes    time.Duration
	afterDot bool
	begun    chan struct{}
}

func (s slow) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	s.begun <- struct{}{}
	if !task.Pause(ctx, s.takes) {
		all := said(d, reason.PeerUnreachable)
		all[0].Unanswered, all[0].Text = s.afterDot, "no answer came"
		return all
	}
	return said(d, reason.OK)
}

// Stopping begins no other job, and lets those under way end.
func TestDrainEndsWhatIsUnderWay(t *testing.T) {
	for name, row := range map[string]struct {
		takes time.Duration
		state string
		stops time.Duration
		left  int
		dot   bool
		told  []string
	}{
		"in time":           {drainTime - time.Second, "relayed", drainTime - time.Second, 0, false, []string{"bob@b.example ok mx.far:"}},
		"too late":          {time.Minute, "sealed", drainTime, 1, false, nil},
		"too late to learn": {time.Minute, "sealed peer-unreachable", drainTime, 1, true, []string{"bob@b.example peer-unreachable mx.far: no answer came"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				a.accounts("alice@a.example")
				w.site("b.example")
				peer := slow{row.takes, row.dot, make(chan struct{}, 10)}
				a.Sender = peer
				id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
				stop := a.work()
				<-peer.begun
				began := time.Now()
				go func() { // accepted while stopping: it stays for the next start
					time.Sleep(time.Second)
					a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
				}()
				stop()
				equal(t, "stopping took", time.Since(began), row.stops)
				equal(t, "state", a.states(id), []string{"bob@b.example " + row.state})
				equal(t, "told of it", a.relayEvents(id), row.told)
				equal(t, "sent more", len(peer.begun), 0)
				equal(t, "left to relay", len(a.jobs(store.RelayJob)), row.left)
				equal(t, "left to seal", len(a.jobs(store.SealJob)), 1)
				for _, j := range a.jobs() {
					equal(t, "attempts", j.Attempts, 0)
				}
				closeStores(w)
			})
		})
	}
}

// open is the step open that nothing ends.
func (s *site) open(ctx context.Context, job store.Job) error { return s.openUntil(ctx)(ctx, job) }
