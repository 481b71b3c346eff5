package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/admit"
	"postern/internal/gateway/task"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A ratedPeer takes so many messages a minute and puts off the others at MAIL, as
// limits.peer_messages does; the messages of one sender it always puts off.
type ratedPeer struct {
	rate   admit.Meter[string]
	takes  time.Duration
	never  string
	mu     sync.Mutex
	taken  []time.Time
	latest map[string]time.Time // by sender
	vain   int
}

func newRatedPeer(perMinute int) *ratedPeer {
	return &ratedPeer{
		rate: admit.Meter[string]{Burst: perMinute, Per: time.Minute}, takes: 100 * time.Millisecond,
		latest: make(map[string]time.Time),
	}
}

func (p *ratedPeer) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	task.Pause(ctx, p.takes/2)
	p.mu.Lock()
	ok := d.From.String() != p.never && p.rate.Take(time.Now(), "")
	if ok {
		p.taken = append(p.taken, time.Now())
		p.latest[d.From.String()] = time.Now()
	} else {
		p.vain++
	}
	p.mu.Unlock()
	if !ok {
		return putOff(d)
	}
	task.Pause(ctx, p.takes/2)
	return said(d, reason.OK)
}

// putOff is what a Sender says of a destination that takes no more for the moment.
func putOff(d smtp.Delivery) []smtp.Result {
	all := said(d, reason.PeerDeferred)
	for i := range all {
		all[i].Slow, all[i].Reply, all[i].Enhanced, all[i].Text = true, 450, "4.7.1", "too many messages, try again later"
	}
	return all
}

// A destination that takes so many messages a minute gets so many, until nothing is
// left, and few attempts are in vain.
func TestADestinationGetsWhatItsRateAllows(t *testing.T) {
	for _, row := range []struct {
		name            string
		rate, n, inVain int // in vain for each that is taken, at most
	}{
		{"105 at 12 a minute", 12, 105, 3},
		{"60 at 4 a minute", 4, 60, 6},
		{"1,000 at 300 a minute", 300, 1000, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				a.accounts("alice@a.example")
				p := newRatedPeer(row.rate)
				a.Sender = p
				a.bulk(row.n, "alice@a.example", "x@b.example", true)
				began := time.Now()
				stop := a.work()
				must := time.Duration(row.n-row.rate) * time.Minute / time.Duration(row.rate)
				time.Sleep(must*10/8 + longestSlow)
				synctest.Wait()
				equal(t, "left", len(a.jobs(store.RelayJob)), 0)
				for minute := 1; time.Duration(minute)*time.Minute < must; minute++ {
					n := 0
					for _, at := range p.taken {
						if at.Before(began.Add(time.Duration(minute) * time.Minute)) {
							n++
						}
					}
					if n < row.rate*(minute-1)*8/10+row.rate { // what was saved up came at once
						t.Errorf("after %d minutes it had %d", minute, n)
					}
				}
				if p.vain > row.inVain*row.n {
					t.Errorf("%d attempts in vain for %d messages", p.vain, row.n)
				}
				t.Logf("the last of %d went after %s, at the earliest %s; %d in vain", row.n, p.taken[len(p.taken)-1].Sub(began), must, p.vain)
				stop()
				closeStores(w)
			})
		})
	}
}

// What is put off for the rate waits no longer for that, however often it was, when it
// is put off for another reason.
func TestARateMakesNoLaterWaitLonger(t *testing.T) {
	w, a, _ := relaying(t)
	a.answer = putOff
	for range 6 {
		w.clock.advance(max(a.jobs()[0].Due.Sub(a.Steady()), 0))
		a.run()
		wait := a.jobs()[0].Due.Sub(a.Steady())
		equal(t, "its own wait", wait, firstSlow)
	}
	equal(t, "attempts", a.jobs()[0].Attempts, 6)
	lanes := a.DownLanes()
	equal(t, "lanes", len(lanes), 1)
	equal(t, "slow", lanes[0].Slow, true)
	equal(t, "counted as down", (&Gateway{Core: a.Core}).readQueue().down[store.RelayJob], 0)
	equal(t, "told", strings.Count(a.log.String(), "takes no more for the moment"), 1)
	a.answer = func(d smtp.Delivery) []smtp.Result {
		return each(d, map[string]reason.Code{"bob@b.example": reason.PeerDeferred, "ben@b.example": reason.PeerDeferred})
	}
	w.clock.advance(2 * longestSlow) // past the pause
	a.run()
	equal(t, "lanes after an answer", len(a.DownLanes()), 0)
	equal(t, "wait", a.jobs()[0].Due.Sub(a.Steady()), firstRetry)
}

// Whom alone a destination always puts off is put off by it, and others are not held
// up for long.
func TestOneWhoIsAlwaysPutOffHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example", "mallory@a.example")
		p := newRatedPeer(0)
		p.never = "mallory@a.example"
		a.Sender = p
		a.bulk(50, "mallory@a.example", "x@b.example", false)
		stop := a.work()
		for range 20 {
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			a.bulk(1, "alice@a.example", "x@b.example", false)
			began := time.Now()
			time.Sleep(2 * (longestSlow + longestSlow/jitterPart))
			synctest.Wait()
			p.mu.Lock()
			if !p.latest["alice@a.example"].After(began) {
				t.Errorf("a message waits for more than %s", time.Since(began))
			}
			p.mu.Unlock()
		}
		if p.vain > 50*(mostPaced+10) {
			t.Errorf("%d attempts in vain for 50 messages in an hour", p.vain)
		}
		for _, j := range a.jobs(store.RelayJob) {
			if wait := j.Due.Sub(a.Steady()); j.Ordered == mostPaced && wait > lastRetry+lastRetry/jitterPart {
				t.Errorf("a message waits %s for its next attempt", wait)
			}
		}
		stop()
		closeStores(w)
	})
}

// What waits for the rate that a destination has for its sender is told of when its time
// is over, however much of it waits, and nothing more is sent for that.
func TestTheEndOfWhatIsPutOffWaitsForNoRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		a.accounts("alice@a.example", "mallory@a.example")
		p := &fussyPeer{takes: "alice@a.example"}
		a.Sender, a.RetryFor = p, 20*time.Minute
		a.bulk(300, "mallory@a.example", "x@b.example", false)
		stop := a.work()
		time.Sleep(a.RetryFor - time.Second)
		synctest.Wait()
		equal(t, "left", len(a.jobs(store.RelayJob)), 300)
		a.bulk(1, "mallory@a.example", "x@b.example", false)
		a.bulk(1, "alice@a.example", "x@b.example", false)
		p.mu.Lock()
		before := p.vain
		p.mu.Unlock()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		equal(t, "left after the end", len(a.jobs(store.RelayJob)), 1)
		p.mu.Lock()
		if p.vain > before+1 {
			t.Errorf("%d more attempts in vain", p.vain-before)
		}
		equal(t, "of another", p.taken, 1)
		p.mu.Unlock()
		for _, text := range a.inbox("mallory@a.example")[:1] {
			if !strings.Contains(text, "4.7.1") && !strings.Contains(text, "too many messages") {
				t.Errorf("the notice: %s", text)
			}
		}
		stop()
		closeStores(w)
	})
}

// A fussyPeer takes at once what one sender sends and puts off all else at MAIL.
type fussyPeer struct {
	takes string
	mu    sync.Mutex
	taken int
	vain  int
}

func (p *fussyPeer) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	task.Pause(ctx, 50*time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.From.String() != p.takes {
		p.vain++
		return putOff(d)
	}
	p.taken++
	return said(d, reason.OK)
}

// However many senders a destination puts off, what it takes of another goes at once.
func TestManyWhoArePutOffHoldUpNobody(t *testing.T) {
	for _, n := range []int{1, 30, 200} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				a.accounts("alice@a.example")
				p := &fussyPeer{takes: "alice@a.example"}
				a.Sender = p
				for i := range n {
					a.bulk(20, fmt.Sprintf("m%d@a.example", i), "x@b.example", false)
				}
				stop := a.work()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				lanes := a.DownLanes()
				equal(t, "lanes", len(lanes), 1)
				equal(t, "slow", lanes[0].Slow, true)
				equal(t, "told", strings.Count(a.log.String(), "takes no more for the moment"), 1)
				a.bulk(10, "alice@a.example", "x@b.example", false)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				p.mu.Lock()
				equal(t, "taken", p.taken, 10)
				if most := n * 60; p.vain > most {
					t.Errorf("%d attempts in vain in five minutes, at most %d", p.vain, most)
				}
				t.Logf("%d attempts in vain", p.vain)
				p.mu.Unlock()
				stop()
				closeStores(w)
			})
		})
	}
}

// What many senders send to a destination with a rate goes at that rate as well.
func TestADestinationGetsWhatItsRateAllowsOfMany(t *testing.T) {
	for _, row := range []struct{ senders, each, rate, inVain int }{{60, 1, 12, 12}, {20, 6, 12, 12}, {200, 3, 300, 8}} {
		t.Run(fmt.Sprint(row.senders), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				p := newRatedPeer(row.rate)
				a.Sender = p
				for i := range row.senders {
					a.bulk(row.each, fmt.Sprintf("m%d@a.example", i), "x@b.example", false)
				}
				n := row.senders * row.each
				stop := a.work()
				must := time.Duration(n-row.rate) * time.Minute / time.Duration(row.rate)
				time.Sleep(must*10/8 + 2*longestSlow)
				synctest.Wait()
				equal(t, "left", len(a.jobs(store.RelayJob)), 0)
				if p.vain > row.inVain*n {
					t.Errorf("%d attempts in vain for %d messages", p.vain, n)
				}
				stop()
				closeStores(w)
			})
		})
	}
}
