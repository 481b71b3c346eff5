package gateway

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// down is what a Sender says of a destination that gives no service.
func down(d smtp.Delivery) []smtp.Result {
	all := said(d, reason.PeerUnreachable)
	for i := range all {
		all[i].Down, all[i].Text = true, "connecting: connection refused"
	}
	return all
}

var toB = laneID{kind: store.RelayJob, lane: "b.example"}

// breakerOf is a copy of the breaker of a lane.
func (s *site) breakerOf(id laneID) breaker {
	s.breakers.mu.Lock()
	defer s.breakers.mu.Unlock()
	b := s.breakers.of(id)
	if b == nil {
		return breaker{}
	}
	return *b
}

// Three failures in a row pause a destination, for twice as long each time, and
// one success opens it.
func TestBreakerPausesADestination(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example")
	why := failure{code: reason.PeerUnreachable, detail: "connection refused"}
	var waits []time.Duration
	for range 9 {
		a.laneFailed(toB, why)
		b := a.breakerOf(toB)
		wait := b.until.Sub(a.Steady())
		if b.opened == 0 {
			wait = 0
		}
		waits = append(waits, wait)
		w.clock.advance(max(wait, 0))
	}
	equal(t, "waits", waits, []time.Duration{0, 0, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute,
		8 * time.Minute, 15 * time.Minute, 15 * time.Minute})
	lanes := a.DownLanes()
	equal(t, "down", len(lanes), 1)
	equal(t, "lane", lanes[0].Lane+" "+lanes[0].Reason+" "+lanes[0].Detail, "b.example peer-unreachable connection refused")
	equal(t, "counted as down while nothing waits for it", (&Gateway{Core: a.Core}).readQueue().down[store.RelayJob], 0)
	a.laneWorked(toB)
	equal(t, "down after a success", len(a.DownLanes()), 0)
	a.laneFailed(toB, why)
	a.laneFailed(toB, why)
	a.laneWorked(toB)
	a.laneFailed(toB, why)
	a.laneFailed(toB, why)
	equal(t, "down after two and two", len(a.DownLanes()), 0)
}

// What had begun before a pause says nothing new: ten attempts that fail together
// are one failure of the destination.
func TestBreakerCountsAttemptsThatFailTogetherOnce(t *testing.T) {
	a := newWorld(t).bare("a.example")
	for range 10 {
		a.laneFailed(toB, failure{code: reason.PeerUnreachable})
	}
	equal(t, "opened", a.breakerOf(toB).opened, 1)
	equal(t, "wait", a.breakerOf(toB).until.Sub(a.Steady()), firstBreak)
}

func TestBreakersAreBounded(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example")
	fail := func(n int) {
		a.laneFailed(laneID{kind: store.RelayJob, lane: fmt.Sprintf("d%d.example", n)}, failure{code: reason.PeerUnreachable})
	}
	for n := range maxBreakers + 10 {
		fail(n)
	}
	equal(t, "remembered", len(a.breakers.lanes), maxBreakers)
	w.clock.advance(breakerMemory + time.Second)
	fail(-1)
	equal(t, "remembered later", len(a.breakers.lanes), 1)
}

// However many flows a destination puts off, what it is to be known of others is.
func TestFlowsTakeNoRoomOfLanes(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example")
	for n := range maxBreakers + 10 {
		id := laneID{store.RelayJob, "evil.example", fmt.Sprintf("bob+%d@a.example", n)}
		times := 1
		if n < 100 {
			times = breakAfter // and is left alone
		}
		for range times {
			a.laneFailed(id, failure{code: reason.PeerDeferred, slow: true})
		}
	}
	equal(t, "remembered", len(a.breakers.flows), maxBreakers)
	for range breakAfter {
		a.laneFailed(toB, failure{code: reason.PeerUnreachable})
	}
	equal(t, "opened", a.breakerOf(toB).opened, 1)
	w.clock.advance(24 * time.Hour)
	a.laneFailed(laneID{store.RelayJob, "evil.example", "new@a.example"}, failure{code: reason.PeerDeferred, slow: true})
	equal(t, "remembered later", len(a.breakers.flows)+len(a.breakers.putOff), 1)
}

// A 4xx of one recipient is that recipient's; only what concerns all is the
// destination's.
func TestBreakerTellsRecipientsFromDestinations(t *testing.T) {
	for name, row := range map[string]struct {
		answer func(smtp.Delivery) []smtp.Result
		failed int
	}{
		"unreachable": {down, 1},
		"421": {func(d smtp.Delivery) []smtp.Result {
			all := each(d, map[string]reason.Code{"bob@b.example": reason.PeerDeferred, "ben@b.example": reason.PeerDeferred})
			for i := range all {
				all[i].Down, all[i].Reply = true, 421
			}
			return all
		}, 1},
		"one deferred": {func(d smtp.Delivery) []smtp.Result {
			return each(d, map[string]reason.Code{"bob@b.example": reason.OK, "ben@b.example": reason.PeerDeferred})
		}, 0},
		"all deferred": {func(d smtp.Delivery) []smtp.Result {
			return each(d, map[string]reason.Code{"bob@b.example": reason.PeerDeferred, "ben@b.example": reason.PeerDeferred})
		}, 0},
		"lost after a refusal": {func(d smtp.Delivery) []smtp.Result {
			all := append(each(d, map[string]reason.Code{"bob@b.example": reason.PeerRefused}), down(d)[1])
			return all
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, a, _ := relaying(t)
			a.answer = row.answer
			a.run()
			equal(t, "failures", a.breakerOf(toB).failures, row.failed)
		})
	}
}

// A job whose time is over while its destination is left alone fails at once,
// with the destination's last words, and no attempt.
func TestBreakerEndsWhatExpires(t *testing.T) {
	w, a, id := relaying(t)
	a.answer = func(d smtp.Delivery) []smtp.Result {
		all := each(d, map[string]reason.Code{"bob@b.example": reason.PeerDeferred, "ben@b.example": reason.PeerDeferred})
		for i := range all {
			all[i].Down, all[i].Reply, all[i].Enhanced, all[i].Text = true, 421, "4.3.2", "closing "+strings.Repeat("very ", 98)
		}
		return all
	}
	for range breakAfter {
		w.clock.advance(max(a.jobs()[0].Due.Sub(a.Steady()), 0))
		a.run()
	}
	equal(t, "down", len(a.DownLanes()), 1)
	a.taken()
	w.clock.advance(a.RetryFor)
	a.run()
	sent, _ := a.taken()
	equal(t, "attempts", len(sent), 0)
	equal(t, "states", a.states(id), []string{"bob@b.example failed queue-expired", "ben@b.example failed queue-expired"})
	notices := a.inbox("alice@a.example")
	equal(t, "notices", len(notices), 1)
	for _, r := range parseDSN(t, notices[0]).Recipients {
		equal(t, "status", r.Status, "5.4.7")
		if !strings.HasPrefix(r.Diagnostic, "smtp; 421 4.3.2 closing very very") {
			t.Errorf("diagnostic %q", r.Diagnostic)
		}
	}
}

// Who asks why a message was tried for too long finds in its notice that the
// destination could not be reached, and since when, and nothing of our network.
func TestNoticeSaysThatTheDestinationWasDown(t *testing.T) {
	for name, tried := range map[string]bool{"given up while it is left alone": false, "at its last attempt": true} {
		t.Run(name, func(t *testing.T) {
			w, a, _ := relaying(t)
			a.answer = func(d smtp.Delivery) []smtp.Result {
				var all []smtp.Result
				for _, to := range d.To {
					all = append(all, smtp.Result{Recipient: to, Code: reason.PeerUnreachable, Down: true, Host: "mx.b.example", Text: "dial tcp 192.0.2.7:25: connection refused"})
				}
				return all
			}
			for range breakAfter {
				w.clock.advance(max(a.jobs()[0].Due.Sub(a.Steady()), 0))
				a.run()
			}
			a.taken()
			job := a.jobs()[0]
			w.clock.advance(job.Expires.Sub(a.Steady()))
			if !tried {
				a.run()
			} else {
				results := a.answer(smtp.Delivery{To: job.Recipients})
				err := a.relayEnd(job, results, false).commit(t.Context())
				if err != nil {
					t.Fatal(err)
				}
			}
			notices := a.inbox("alice@a.example")
			equal(t, "notices", len(notices), 1)
			want := "failed 5.4.7 x-postern; queue-expired: peer-unreachable since 2026-06-01T12:00:00Z"
			equal(t, "diagnostics", diagnostics(parseDSN(t, notices[0])), map[string]string{"bob@b.example": want, "ben@b.example": want})
			for _, line := range []string{
				"    delivery was tried for too long: the recipient's server does not answer, since 2026-06-01 12:00 UTC\r\n",
				"Diagnostic-Code: x-postern; queue-expired: peer-unreachable",
			} {
				if !strings.Contains(notices[0], line) {
					t.Errorf("the notice lacks %q:\n%s", line, notices[0])
				}
			}
			for _, ours := range []string{"192.0.2.7", "dial"} {
				if strings.Contains(notices[0], ours) {
					t.Errorf("the notice has %q", ours)
				}
			}
		})
	}
}

// AS-75: the words and the status of a refusal reach the sender as they are; what
// was put off until the end is 5.4.7 with the last words.
func TestAS75_TheFarSidesWordsAreTold(t *testing.T) {
	for name, row := range map[string]struct {
		result smtp.Result
		want   string
	}{
		"5.7.1": {smtp.Result{Code: reason.PeerRefused, Reply: 550, Enhanced: "5.7.1", Text: "not trusted here"}, "failed 5.7.1 smtp; 550 5.7.1 not trusted here"},
		"5.1.1": {smtp.Result{Code: reason.PeerRefused, Reply: 550, Enhanced: "5.1.1", Text: "no such user"}, "failed 5.1.1 smtp; 550 5.1.1 no such user"},
		"5.2.2": {smtp.Result{Code: reason.PeerRefused, Reply: 552, Enhanced: "5.2.2", Text: "full"}, "failed 5.2.2 smtp; 552 5.2.2 full"},
		"4.2.2": {smtp.Result{Code: reason.PeerDeferred, Reply: 452, Enhanced: "4.2.2", Text: "full for now"}, "failed 5.4.7 smtp; 452 4.2.2 full for now"},
		"none":  {smtp.Result{Code: reason.PeerUnreachable, Enhanced: "4.4.1", Text: "no answer"}, "failed 5.4.7 x-postern; queue-expired: peer-unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, _ := relaying(t)
			w.clock.advance(a.RetryFor)
			a.answer = func(d smtp.Delivery) []smtp.Result {
				var all []smtp.Result
				for _, to := range d.To {
					r := row.result
					r.Recipient, r.Host = to, "mx.b.example"
					all = append(all, r)
				}
				return all
			}
			a.run()
			notices := a.inbox("alice@a.example")
			equal(t, "notices", len(notices), 1)
			_, words, _ := strings.Cut(row.want, "smtp; ")
			if !strings.Contains(notices[0], "    The other side said: "+words) == (words != "") {
				t.Errorf("the text does not have the words:\n%s", notices[0])
			}
			equal(t, "diagnostics", diagnostics(parseDSN(t, notices[0])), map[string]string{"bob@b.example": row.want, "ben@b.example": row.want})
		})
	}
}

// A patchy destination is down, then hangs, then works.
type patchy struct {
	Sender
	state   atomic.Int32 // of the three below
	hanging atomic.Int32
}

const (
	itIsDown = iota
	itHangs
	itWorks
)

func (p *patchy) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	switch p.state.Load() {
	case itIsDown:
		return down(d)
	case itHangs:
		p.hanging.Add(1)
		wait(ctx)
		p.hanging.Add(-1)
		return down(d)
	}
	return p.Sender.Send(ctx, d)
}

// rewrite changes jobs as an operator does.
func (s *site) rewrite(jobs []store.Job, change func(*store.Job)) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		for _, j := range jobs {
			change(&j)
			err := tx.Reschedule(j)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// However a destination was left alone, and whatever became of the job that tries
// whether it is back: when an operator has it tried at once, everything goes at once.
func TestOpenedLanesLetEverythingThrough(t *testing.T) {
	for name, meanwhile := range map[string]func(*site, []store.Job){
		"paused": func(*site, []store.Job) {},
		"half open": func(a *site, _ []store.Job) {
			time.Sleep(2 * time.Minute)
		},
		"while it is tried": func(a *site, _ []store.Job) {
			a.Sender.(*patchy).state.Store(itHangs)
			time.Sleep(time.Minute)
		},
		"some held": func(a *site, jobs []store.Job) {
			some := jobs[:len(jobs)/2]
			a.rewrite(some, func(j *store.Job) { j.Held = true })
			time.Sleep(time.Minute)
			a.rewrite(some, func(j *store.Job) { *j = a.LetGo(*j) })
		},
		"all due again": func(a *site, jobs []store.Job) {
			for range 100 {
				a.rewrite(jobs, func(j *store.Job) { j.Due = a.Steady() })
				time.Sleep(time.Second)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				w.site("b.example")
				far := &patchy{Sender: a.Sender}
				a.Sender = far
				const n = 60
				for i := range n {
					from := fmt.Sprintf("u%d@a.example", i%3)
					if i < 3 {
						a.accounts(from)
					}
					a.submit(message(from, "bob@b.example"), from, "bob@b.example")
				}
				stop := a.work()
				time.Sleep(40 * time.Second)
				synctest.Wait()
				equal(t, "down", len(a.DownLanes()), 1)
				meanwhile(a, a.jobs(store.RelayJob))
				synctest.Wait()
				far.state.Store(itWorks)
				a.rewrite(a.jobs(store.RelayJob), func(j *store.Job) { j.Due = a.Steady() })
				a.OpenLane(store.RelayJob, "b.example")
				time.Sleep(time.Second)
				synctest.Wait()
				sent, _ := a.taken()
				equal(t, "sent at once, but for what hangs", len(sent), n-int(far.hanging.Load()))
				time.Sleep(time.Hour)
				synctest.Wait()
				equal(t, "jobs left", len(a.jobs()), 0)
				stop()
				closeStores(w)
			})
		})
	}
}

// A destination that an operator has tried, and that fails again, has been down all
// the time.
func TestBreakerSinceOutlastsARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, stop := longDown(t)
		a.Sender.(*patchy).state.Store(itIsDown)
		since := a.DownLanes()[0].Since
		a.OpenLane(store.RelayJob, "b.example")
		time.Sleep(time.Second)
		synctest.Wait()
		equal(t, "down again", len(a.DownLanes()), 1)
		equal(t, "since", a.DownLanes()[0].Since, since)
		stop()
		closeStores(w)
	})
}

// longDown is a site with messages for a destination that has been down for hours,
// and works from now on.
func longDown(t *testing.T) (w *world, a *site, stop func()) {
	t.Helper()
	w = live(t)
	a = w.site("a.example")
	w.site("b.example").accounts("bob@b.example")
	a.accounts("alice@a.example")
	far := &patchy{Sender: a.Sender}
	a.Sender = far
	for range 3 {
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	}
	stop = a.work()
	time.Sleep(7 * time.Hour)
	time.Sleep(a.breakerOf(toB).until.Sub(a.Steady()) + time.Second) // it has just been tried
	synctest.Wait()
	equal(t, "waiting", len(a.jobs(store.RelayJob)), 3)
	equal(t, "down", len(a.DownLanes()), 1)
	equal(t, "counted as down", (&Gateway{Core: a.Core}).readQueue().down[store.RelayJob], 1)
	far.state.Store(itWorks)
	return w, a, stop
}

// The longest wait after a destination is back is that of a destination that was
// left alone, not that of a message that was tried often.
func TestADestinationThatIsBackGetsItsMailSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, a, stop := longDown(t)
		time.Sleep(longestBreak + longestBreak/jitterPart + time.Second)
		synctest.Wait()
		equal(t, "waiting", len(a.jobs()), 0)
		equal(t, "down", len(a.DownLanes()), 0)
		stop()
		closeStores(w)
	})
}

// Whoever sends is there: a message that is believed has its domain tried at once,
// one that is not believed has not.
func TestAMessageOpensItsDomain(t *testing.T) {
	for name, row := range map[string]struct{ believed, works bool }{
		"believed": {true, true}, "not believed": {false, true}, "it takes none": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, a, stop := longDown(t)
				if !row.works {
					a.Sender.(*patchy).state.Store(itIsDown)
				}
				b := w.sites["b.example"]
				before := a.breakerOf(toB)
				for range 4 { // within firstBreak and a half
					b.submit(message("bob@b.example", "alice@a.example"), "bob@b.example", "alice@a.example")
					b.run()
					sent, raw := b.taken()
					if !row.believed {
						raw[0] = []byte("Subject: x\r\n\r\nin clear\r\n")
					}
					w.carry(sent[0], raw[0])
					time.Sleep(12 * time.Second)
					synctest.Wait()
				}
				after := a.breakerOf(toB)
				left := 0
				for _, j := range a.jobs(store.RelayJob) {
					if !j.Automatic {
						left++
					}
				}
				if row.believed && row.works {
					equal(t, "waiting", left, 0)
					equal(t, "down", after.opened, 0)
				} else {
					equal(t, "waiting", left, 3)
				}
				switch {
				case !row.believed:
					equal(t, "tried", after.failures-before.failures, 0)
				case !row.works && after.failures-before.failures > 2:
					t.Errorf("tried %d times", after.failures-before.failures)
				}
				stop()
				closeStores(w)
			})
		})
	}
}

// What was tried for a day waits no longer for a destination that fails than what is
// new, also after a restart; a line that breaks within a message is that message's.
func TestOnlyADestinationThatFailsIsWaitedForAlone(t *testing.T) {
	for name, row := range map[string]struct {
		answer func(smtp.Delivery) []smtp.Result
		want   time.Duration
	}{
		"down":        {down, firstRetry},
		"broken line": {func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerUnreachable) }, lastRetry},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, _ := relaying(t)
			a.rewrite(a.jobs(), func(j *store.Job) { j.Attempts = 20 })
			a.laneFailed(toB, failure{code: reason.PeerUnreachable}) // another's, before
			w.clock.advance(time.Second)
			a.answer = row.answer
			a.run()
			equal(t, "waits", a.jobs()[0].Due.Sub(a.Steady()), row.want)
		})
	}
}

// A destination that was slow once and fails days later is down since then.
func TestBreakerSinceIsNotThatOfASlowTime(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example")
	for range breakAfter {
		a.laneFailed(toB, failure{code: reason.PeerDeferred, slow: true})
	}
	w.clock.advance(time.Minute)
	a.laneWorked(toB)
	w.clock.advance(10 * 24 * time.Hour)
	want := a.Now()
	for range breakAfter {
		a.laneFailed(toB, failure{code: reason.PeerUnreachable})
	}
	equal(t, "since", a.DownLanes()[0].Since, want)
	a.laneWorked(toB)
	w.clock.advance(slowMemory + time.Second)
	for range breakAfter {
		a.laneFailed(toB, failure{code: reason.PeerDeferred, slow: true})
	}
	equal(t, "wait", a.breakerOf(toB).until.Sub(a.Steady()), firstSlow)
}
