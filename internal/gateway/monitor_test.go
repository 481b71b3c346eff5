package gateway

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// sent is a message of alice to some, which has been handed over to the far side.
// What comes back is up to the test.
func sent(t *testing.T, w *world, fields []string, to ...string) (*site, store.TrackID) {
	t.Helper()
	a := w.site("a.example")
	for _, d := range []string{"b.example", "c.example"} {
		w.sites[addr(t, "x@"+d).Domain()] = nil
	}
	a.accounts("alice@a.example")
	far := w.root.Leaf("b.example")
	other := w.root.Leaf("c.example")
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		if r.Address.Domain() == "c.example" {
			return published(other), true
		}
		return published(far), r.Address.Domain() == "b.example"
	}
	id := a.submit(message("alice@a.example", strings.Join(to, ">, <"), fields...), "alice@a.example", to...)
	a.run()
	a.taken()
	return a, id
}

// hears lets a site get a notification about its first message.
func (s *site) hears(signer, recipient string, d mdn.Disposition, final bool) {
	s.t.Helper()
	n := mdn.Notification{
		From: addr(s.t, recipient), To: addrs(s.t, "alice@a.example"), MessageID: "<n@n.example>", Date: s.world.clock.Now(),
		FinalRecipient: addr(s.t, recipient), OriginalMessageID: "<m1@a.example>", Disposition: d, FinalDestination: final,
	}
	if d != mdn.Dispatched && d != mdn.Failed {
		n.Disposition = mdn.Processed
	}
	text, err := n.Compose(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("; "+string(n.Disposition)+"\r\n"), []byte("; "+string(d)+"\r\n"))
	s.say(peer{t: s.t, at: s.world.clock, id: s.world.root.Leaf(signer)}, text, recipient)
}

// shown are the notifications in alice's mailbox, shortly.
func (s *site) shown() []string {
	s.t.Helper()
	var all []string
	for _, raw := range s.inbox("alice@a.example") {
		if !strings.Contains(raw, "report-type=delivery-status") {
			n := parseMDN(s.t, raw)
			word := string(n.Disposition)
			if n.FinalDestination {
				word += "+"
			}
			all = append(all, word)
			continue
		}
		for _, r := range parseDSN(s.t, raw).Recipients {
			_, code, _ := strings.Cut(r.Diagnostic, "; ")
			all = append(all, strings.TrimSpace(string(r.Action)+" "+r.Status+" "+code))
		}
	}
	return all
}

func TestDN11_DN14_DN15_DN30_Deadlines(t *testing.T) {
	const late = 59*time.Minute + 59*time.Second
	for name, tt := range map[string]struct {
		fields []string
		heard  []mdn.Disposition
		states [2]string // just before and just after the limit
		shown  []string
	}{
		"nothing comes":                {nil, nil, [2]string{"relayed", "overdue no-processed"}, []string{"failed 5.4.7 no-processed"}},
		"processed comes":              {nil, []mdn.Disposition{mdn.Processed}, [2]string{"processed", "processed"}, []string{"processed"}},
		"asked, nothing comes":         {[]string{wanted}, nil, [2]string{"relayed", "overdue no-processed"}, []string{"failed 5.4.7 no-processed"}},
		"asked, processed comes":       {[]string{wanted}, []mdn.Disposition{mdn.Processed}, [2]string{"processed", "overdue no-dispatched"}, []string{"processed", "failed 5.4.7 no-dispatched"}},
		"asked, displayed comes":       {[]string{wanted}, []mdn.Disposition{mdn.Displayed}, [2]string{"relayed", "overdue no-processed"}, []string{"displayed", "failed 5.4.7 no-processed"}},
		"asked, both come":             {[]string{wanted}, []mdn.Disposition{mdn.Processed, "dispatched+"}, [2]string{"dispatched", "dispatched"}, []string{"processed", "dispatched+"}},
		"asked, dispatched is first":   {[]string{wanted}, []mdn.Disposition{"dispatched+", mdn.Processed}, [2]string{"dispatched", "dispatched"}, []string{"dispatched+"}},
		"asked, plain dispatched":      {[]string{wanted}, []mdn.Disposition{mdn.Processed, mdn.Dispatched}, [2]string{"processed", "overdue no-dispatched"}, []string{"processed", "dispatched", "failed 5.4.7 no-dispatched"}},
		"asked, failed comes":          {[]string{wanted}, []mdn.Disposition{mdn.Processed, mdn.Failed}, [2]string{"failed peer-refused", "failed peer-refused"}, []string{"processed", "failed"}},
		"malformed request":            {[]string{strings.Replace(wanted, "true", "yes", 1)}, []mdn.Disposition{mdn.Processed}, [2]string{"processed", "processed"}, []string{"processed"}},
		"a notification of our user's": {[]string{"Content-Type: message/disposition-notification\n\nDisposition: manual-action/MDN-sent-manually; displayed"}, nil, [2]string{"relayed", "relayed"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, id := sent(t, w, tt.fields, "bob@b.example")
			for _, d := range tt.heard {
				plain, final := strings.CutSuffix(string(d), "+")
				a.hears("b.example", "bob@b.example", mdn.Disposition(plain), final)
			}
			w.clock.advance(late)
			a.run()
			equal(t, "before the limit", a.states(id), []string{"bob@b.example " + tt.states[0]})
			w.clock.advance(time.Second)
			a.run()
			equal(t, "after it", a.states(id), []string{"bob@b.example " + tt.states[1]})
			equal(t, "shown", a.shown(), tt.shown)
			equal(t, "nothing waits any more", len(a.jobs(store.WatchJob)), 0)
			w.clock.advance(1000 * time.Hour)
			a.run()
			equal(t, "shown in the end", a.shown(), tt.shown)
		})
	}
}

// DN-18: not before the limit, and soon after it, by the workers themselves.
func TestDN17_DN18_TheWorkersAreInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("b.example")
		a.Notify.ProcessedWithin = 90 * time.Second
		a.accounts("alice@a.example")
		stop := a.work()
		id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		began := time.Now()
		for len(a.inbox("alice@a.example")) == 0 && time.Since(began) < time.Hour {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if took := time.Since(began); took < 90*time.Second || took > 95*time.Second {
			t.Errorf("it took %s", took)
		}
		stop()
		equal(t, "state", a.states(id), []string{"bob@b.example overdue no-processed"})
		closeStores(w)
	})
}

// The limits are by the steady clock: a step of the wall clock moves none.
func TestDN18_StepsOfTheWallClock(t *testing.T) {
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		w := newWorld(t)
		a, id := sent(t, w, nil, "bob@b.example")
		a.Now = func() time.Time { return w.clock.Now().Add(step) }
		a.run()
		equal(t, "after the step", a.states(id), []string{"bob@b.example relayed"})
		w.clock.advance(time.Hour)
		a.run()
		equal(t, "after an hour", a.states(id), []string{"bob@b.example overdue no-processed"})
	}
}

func TestDN16_DN21_AfterTheFinalAnswer(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, []string{wanted}, "bob@b.example")
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	w.clock.advance(time.Hour)
	a.run()
	want := []string{"processed", "failed 5.4.7 no-dispatched"}
	equal(t, "shown", a.shown(), want)
	for _, d := range []mdn.Disposition{mdn.Dispatched, mdn.Processed, mdn.Failed} {
		a.hears("b.example", "bob@b.example", d, d == mdn.Dispatched)
	}
	equal(t, "shown later", a.shown(), want)
	equal(t, "state", a.states(id), []string{"bob@b.example overdue no-dispatched"})
	equal(t, "suppressed", a.counts.suppressed.Load(), 3)
	equal(t, "overdue", a.counts.overdue.Load(), 1)
	heard := a.events(id, store.StageNotify)
	equal(t, "recorded", len(heard), 5)
	equal(t, "told", heard[1], "failure notice to alice@a.example, INBOX, UID 2")
	equal(t, "how", heard[2], "MDN dispatched, not shown: the sender was told failure before")
	var kept []string
	a.view(func(tx store.Tx) error {
		return tx.EachTrack(store.TrackQuery{Oldest: true}, func(t store.Track) bool {
			for _, r := range t.Recipients {
				if r.State == store.TrackSuppressed {
					kept = append(kept, r.Detail)
				}
			}
			return true
		})
	})
	slices.Sort(kept)
	equal(t, "kept back", kept, []string{
		"not put into the mailbox: MDN dispatched, the sender was told failure before",
		"not put into the mailbox: MDN failed, the sender was told failure before",
		"not put into the mailbox: MDN processed, the sender was told failure before",
	})
	recorded := slices.ContainsFunc(a.trail(), func(line string) bool { return strings.Contains(line, "; alice@a.example suppressed") })
	equal(t, "in the audit trail", recorded, true)
	a.hears("b.example", "bob@b.example", mdn.Displayed, false)
	equal(t, "displayed passes", a.shown(), append(want, "displayed"))
}

// DN-20: exactly one positive notification of final delivery.
func TestDN20_DN21_AfterSuccess(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, []string{wanted}, "bob@b.example")
	for _, d := range []mdn.Disposition{mdn.Processed, mdn.Dispatched, mdn.Dispatched, mdn.Failed, mdn.Processed} {
		a.hears("b.example", "bob@b.example", d, d == mdn.Dispatched)
	}
	w.clock.advance(1000 * time.Hour)
	a.run()
	equal(t, "shown", a.shown(), []string{"processed", "dispatched+"})
	equal(t, "state", a.states(id), []string{"bob@b.example dispatched"})
}

// Each recipient has an answer of his own.
func TestDN22_MixedRecipients(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, []string{wanted}, "bob@b.example", "carol@c.example", "nobody@nowhere.example")
	equal(t, "at once", a.shown(), []string{"failed 5.7.5 no-certificate"}) // DN-19
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	a.hears("c.example", "carol@c.example", mdn.Processed, false)
	a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
	w.clock.advance(time.Hour)
	a.run()
	equal(t, "states", a.states(id), []string{
		"bob@b.example dispatched", "carol@c.example overdue no-dispatched", "nobody@nowhere.example failed no-certificate",
	})
	equal(t, "shown", a.shown(), []string{
		"failed 5.7.5 no-certificate", "processed", "processed", "dispatched+", "failed 5.4.7 no-dispatched",
	})
}

// One DSN of the far side may fail one and say nothing new of another.
func TestDN22_DSNOfSeveral(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example", "ben@b.example")
	a.hears("b.example", "bob@b.example", mdn.Failed, false)
	far := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
	bounce := func(to ...string) {
		n := dsn.Notification{
			From: addr(t, "postmaster@b.example"), To: addr(t, "alice@a.example"), MessageID: "<d@b.example>", Date: w.clock.Now(),
			ReportingMTA: "mx.b.example", OriginalMessageID: "<m1@a.example>",
		}
		for _, r := range to {
			n.Recipients = append(n.Recipients, dsn.Recipient{Final: addr(t, r), Action: dsn.Failed, Status: "5.1.1"})
		}
		text, err := n.Compose(nil)
		if err != nil {
			t.Fatal(err)
		}
		a.say(far, text, "postmaster@b.example")
	}
	bounce("bob@b.example") // never a failure again
	equal(t, "shown", a.shown(), []string{"failed"})
	bounce("bob@b.example", "ben@b.example")
	equal(t, "shown", a.shown(), []string{"failed", "failed 5.1.1", "failed 5.1.1"})
	bounce("ben@b.example", "ben@b.example")
	equal(t, "shown", len(a.shown()), 3)
	equal(t, "states", a.states(id), []string{"bob@b.example failed peer-refused", "ben@b.example failed peer-refused"})
}

func TestDN19_AtOnceAndWithoutAWait(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*world, *site)
		want  string
	}{
		"no certificate": {func(w *world, _ *site) {
			w.find = func(discovery.Request) (discovery.Result, bool) {
				return discovery.Result{Err: reason.New(reason.NoCertificate, "none")}, true
			}
		}, "failed 5.7.5 no-certificate"},
		"not trusted": {func(w *world, _ *site) {
			far := w.pki.Root("another").Leaf("b.example")
			w.find = func(discovery.Request) (discovery.Result, bool) { return published(far), true }
		}, "failed 5.7.5 untrusted-anchor"},
		"bad address": {func(_ *world, a *site) {
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
		}, "failed 5.0.0 peer-refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			a.accounts("alice@a.example")
			a.Notify.DelayedAfter = time.Minute
			tt.spoil(w, a)
			id := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			a.run()
			equal(t, "shown", len(a.shown()), 1)
			if got := a.shown()[0]; strings.Fields(got)[2] != strings.Fields(tt.want)[2] {
				t.Errorf("%s, want %s", got, tt.want)
			}
			equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
			a.hears("b.example", "bob@b.example", mdn.Processed, false) // and yet it comes
			equal(t, "shown later", len(a.shown()), 1)
			equal(t, "state", len(a.states(id)), 1)
		})
	}
}

func TestDN23_DN24_DN25_DN26_NoticeOfAnOverdueMessage(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	w.clock.advance(time.Hour)
	a.run()
	raw := a.inbox("alice@a.example")[0]
	noCanary(t, "the notice", strings.Replace(raw, "Subject: Failed: your message to bob@b.example", "", 1))
	for _, line := range []string{
		"From: postmaster@a.example", "To: alice@a.example", "In-Reply-To: <m1@a.example>", "Auto-Submitted: auto-replied",
		"Reporting-MTA: dns; mx.a.example", "X-Original-Message-ID: <m1@a.example>",
		"Final-Recipient: rfc822;bob@b.example", "Action: failed", "Status: 5.4.7", "Diagnostic-Code: x-postern; no-processed",
	} {
		if !strings.Contains(raw, "\r\n"+line+"\r\n") && !strings.HasPrefix(raw, line+"\r\n") {
			t.Errorf("it lacks %q", line)
		}
	}
	for _, words := range []string{"\r\n\r\nWe have no confirmation that your message arrived.\r\n", "ask the recipient before you send it again"} {
		if !strings.Contains(raw, words) {
			t.Errorf("its text lacks %q", words)
		}
	}
	sent, _ := a.taken()
	equal(t, "sent to others", len(sent), 0)
}

func TestDN27_HideProcessed(t *testing.T) {
	for _, fields := range [][]string{nil, {wanted}} {
		w := newWorld(t)
		a, id := sent(t, w, fields, "bob@b.example", "carol@c.example")
		a.Notify.HideProcessed = true
		a.hears("b.example", "bob@b.example", mdn.Processed, false)
		a.hears("c.example", "carol@c.example", mdn.Processed, false)
		equal(t, "shown", len(a.shown()), 0)
		equal(t, "hidden", a.counts.hidden.Load(), 2)
		equal(t, "suppressed", a.counts.suppressed.Load(), 0)
		equal(t, "states", a.states(id), []string{"bob@b.example processed", "carol@c.example processed"})
		a.hears("b.example", "bob@b.example", mdn.Dispatched, fields != nil)
		a.hears("c.example", "carol@c.example", mdn.Failed, false) // nothing contrary was shown
		equal(t, "shown in the end", len(a.shown()), 2)
		equal(t, "states in the end", a.states(id), []string{"bob@b.example dispatched", "carol@c.example failed peer-refused"})
	}
}

// A wait is in the store: it goes on after a restart, and a step that is done twice,
// because the first was cut off, tells nobody twice.
func TestDN28_WaitsSurvive(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example")
	job := a.jobs(store.WatchJob)[0]
	again := &Core{Hostname: a.Hostname, Store: a.Store, Finder: w, Sender: a, Now: w.clock.Now, Log: a.Log}
	again.setDefaults()
	w.clock.advance(time.Hour)
	for range 3 {
		err := again.watch(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "shown", a.shown(), []string{"failed 5.4.7 no-processed"})
	equal(t, "state", a.states(id), []string{"bob@b.example overdue no-processed"})
	equal(t, "events", len(a.events(id, store.StageMonitor)), 1)
}

// The answer comes while the notice of its absence is being written.
func TestDN28_AnswerComesAtTheLastMoment(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example", "ben@b.example")
	job := a.jobs(store.WatchJob)[0]
	w.clock.advance(time.Hour)
	plain := a.Store
	a.Store = &racing{Store: plain, before: func() {
		a.Store = plain
		n := mdnText(t, w, "bob@b.example", mdn.Processed)
		raw := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}.seal(string(n), a, "alice@a.example")
		a.receive(raw, addr(t, "bob@b.example"), addrs(t, "alice@a.example")...)
		a.doStep(t.Context(), a.jobs(store.OpenJob)[0], a.open)
	}}
	a.doStep(t.Context(), job, a.watch)
	equal(t, "states", a.states(id), []string{"bob@b.example processed", "ben@b.example overdue no-processed"})
	equal(t, "shown", a.shown(), []string{"processed", "failed 5.4.7 no-processed"})
}

func mdnText(t *testing.T, w *world, recipient string, d mdn.Disposition) []byte {
	t.Helper()
	n := mdn.Notification{
		From: addr(t, recipient), To: addrs(t, "alice@a.example"), MessageID: "<n@n.example>", Date: w.clock.Now(),
		FinalRecipient: addr(t, recipient), OriginalMessageID: "<m1@a.example>", Disposition: d,
	}
	text, err := n.Compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// RFC 3464 §2.3.3: who waits long for a message to be handed over is told, once.
func TestLateMessagesAreToldOnce(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.Notify.DelayedAfter = 4 * time.Hour
	a.accounts("alice@a.example")
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	for range 5 * 6 {
		a.run()
		w.clock.advance(10 * time.Minute)
	}
	equal(t, "shown", a.shown(), []string{"delayed 4.4.7 peer-deferred"})
	equal(t, "told", a.events(id, store.StageNotify), []string{"notice of delay to alice@a.example, INBOX, UID 1"})
	raw := a.inbox("alice@a.example")[0]
	if !strings.Contains(raw, "Subject: Delayed: your message to bob@b.example\r\n") || !strings.Contains(raw, "Will-Retry-Until: Thu, 04 Jun 2026 12:00:00 +0000\r\n") {
		t.Errorf("the notice is\n%s", raw)
	}
	a.answer = nil
	w.clock.advance(time.Hour)
	a.run()
	equal(t, "state", a.states(id), []string{"bob@b.example relayed"})
	w.clock.advance(time.Hour) // and the wait for processed begins
	a.run()
	equal(t, "in the end", a.shown(), []string{"delayed 4.4.7 peer-deferred", "failed 5.4.7 no-processed"})
}

// The far side took a message and said so, and the line broke before its 250 came:
// what the next attempt says does not contradict it.
func TestDN21_AnAttemptAfterTheAnswer(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, []string{wanted}, "bob@b.example")
	a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
	job := store.Job{Kind: store.RelayJob, Track: id, Sender: addr(t, "alice@a.example"), Recipients: addrs(t, "bob@b.example"), Destination: "b.example", Due: a.Steady(), Expires: a.Steady()}
	body, err := a.Store.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = body.Write(crlf("Message-ID: <m1@a.example>\n\nx\n"))
	if err != nil {
		t.Fatal(err)
	}
	a.update(func(tx store.Tx) (err error) {
		job.Body, err = tx.PutBody(body)
		if err == nil {
			_, err = tx.Enqueue(job)
		}
		return err
	})
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	a.run()
	equal(t, "shown", a.shown(), []string{"dispatched+"})
	equal(t, "state", a.states(id), []string{"bob@b.example dispatched"})
	equal(t, "jobs left", len(a.jobs()), 0)
}
