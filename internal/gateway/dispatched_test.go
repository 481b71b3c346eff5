package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// wanted is how a sender asks for notice of final delivery (DN-1).
const wanted = mdn.NotificationOptions + ": " + mdn.RequestFinalDelivery

// letters opens what a site has relayed since it was asked last, which a test reads
// with the keys of the other side, in order.
func (w *world) letters(from, to *site) []string {
	w.t.Helper()
	var all []string
	sent, raw := from.taken()
	for i, d := range sent {
		box := d.To[0].String()
		before := len(to.inbox(box))
		w.carry(d, raw[i])
		to.run()
		all = append(all, to.inbox(box)[before:]...)
	}
	return all
}

// kinds are the dispositions of notifications; a + marks final delivery.
func kinds(t testing.TB, letters []string) []string {
	t.Helper()
	var all []string
	for _, l := range letters {
		n := parseMDN(t, l)
		kind := string(n.Disposition)
		if n.FinalDestination {
			kind += "+"
		}
		all = append(all, kind)
	}
	return all
}

// asked delivers a message of alice to bob, with header fields, up to where bob's
// side has opened it.
func asked(t *testing.T, fields ...string) (w *world, a, b *site, id store.TrackID) {
	t.Helper()
	w = newWorld(t)
	a, b = w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id = a.submit(message("alice@a.example", "bob@b.example", fields...), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	return w, a, b, id
}

// DN-2: who asks without Disposition-Notification-To is answered where the message is
// from.
func TestDN1_DN2_DN4_DN5_DN7_DispatchedFollowsProcessed(t *testing.T) {
	w, a, b, id := asked(t, wanted)
	b.run()
	letters := w.letters(b, a)
	equal(t, "notifications", kinds(t, letters), []string{"processed", "dispatched+"})
	if !strings.Contains(letters[1], "\r\nDisposition: automatic-action/MDN-sent-automatically; dispatched\r\n") ||
		!strings.Contains(letters[1], "\r\nX-DIRECT-FINAL-DESTINATION-DELIVERY:\r\n") {
		t.Errorf("the dispatched notification is\n%s", letters[1])
	}
	equal(t, "state", a.states(id), []string{"bob@b.example dispatched"})
	equal(t, "jobs left", len(a.jobs())+len(b.jobs())+len(a.jobs(store.WatchJob)), 0)
}

func TestDN3_DN6_WhatIsNotAsked(t *testing.T) {
	for _, field := range []string{
		"Disposition-Notification-To: <alice@a.example>",
		"Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,false",
		"Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY",
		"Disposition-Notification-Options: X-XXXX-FINAL-X-DELXXXX=optional,true",
	} {
		w, a, b, id := asked(t, field)
		b.run()
		equal(t, field, kinds(t, w.letters(b, a)), []string{"processed"})
		equal(t, "state", a.states(id), []string{"bob@b.example processed"})
		equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
	}
}

// Whatever becomes of the processed notification, dispatched leaves after it.
func TestDN10_DispatchedNeverOvertakes(t *testing.T) {
	w, a, b, id := asked(t, wanted)
	a.Notify.ProcessedWithin, a.Notify.DispatchedWithin = day, day
	b.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
	b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
	held := func() (n int) {
		for _, j := range b.jobs() {
			if j.Waits && j.Detail == waitsForProcessed {
				n++
			}
		}
		return n
	}
	equal(t, "held after the delivery", held(), 1)
	for range 3 {
		b.run()
		w.clock.advance(time.Hour)
		sent, _ := b.taken()
		equal(t, "attempts", len(sent), 1)
		equal(t, "held", held(), 1)
	}
	b.answer = nil
	b.run()
	equal(t, "held at the end", held(), 0)
	equal(t, "order", kinds(t, w.letters(b, a)), []string{"processed", "dispatched+"})
	equal(t, "state", a.states(id), []string{"bob@b.example dispatched"})
}

// What an operator holds while it waits stays held when its turn comes, and goes
// when he lets it go.
func TestDN10_AHeldDispatchedStaysHeld(t *testing.T) {
	w, a, b, id := asked(t, wanted)
	b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
	jobs := b.jobs(store.SealJob)
	i := slices.IndexFunc(jobs, func(j store.Job) bool { return j.Waits })
	b.rewrite(jobs[i:i+1], func(j *store.Job) { j.Held = true })
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob@b.example processed"})
	jobs = b.jobs(store.SealJob)
	if len(jobs) != 1 || !jobs[0].Held || jobs[0].Waits {
		t.Fatalf("after the processed one: %+v", jobs)
	}
	b.rewrite(jobs, func(j *store.Job) { *j = b.LetGo(*j) })
	w.runAll()
	equal(t, "state in the end", a.states(id), []string{"bob@b.example dispatched"})
}

// A processed notification that cannot be sent does not hold dispatched for ever.
func TestDN10_DispatchedIsLetGo(t *testing.T) {
	for name, fail := range map[string]func(*world, *site){
		"refused by the far side": func(_ *world, b *site) {
			b.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
		},
		"expired": func(w *world, b *site) {
			b.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
			b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
			b.run()
			w.clock.advance(1000 * time.Hour)
		},
		"dropped": func(_ *world, b *site) {
			b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
			for _, j := range b.jobs(store.SealJob) {
				if !j.Idle() {
					err := b.Drop(t.Context(), j.ID, "test", false, nil)
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, b, _ := asked(t, wanted)
			fail(w, b)
			b.run()
			for _, j := range b.jobs() {
				if j.Idle() {
					t.Errorf("%s %d is still held", j.Kind, j.ID)
				}
			}
		})
	}
}

// DN-8, DN-9, and the digest's section 10: both notifications, in order.
func TestDN8_DN9_FailsAfterProcessed(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(store.Account) store.Account
		code  reason.Code
	}{
		"mailbox full": {func(a store.Account) store.Account { a.Quota = 10; return a }, reason.MailboxFull},
		"disabled":     {func(a store.Account) store.Account { a.Disabled = true; return a }, reason.RecipientDisabled},
	} {
		for _, fields := range [][]string{nil, {wanted}} {
			t.Run(name, func(t *testing.T) {
				w, a, b, id := asked(t, fields...)
				b.update(func(tx store.Tx) error {
					account, err := tx.Account(addr(t, "bob@b.example"))
					if err != nil {
						return err
					}
					return tx.PutAccount(tt.spoil(account))
				})
				b.run()
				letters := w.letters(b, a)
				equal(t, "notifications", kinds(t, letters), []string{"processed", "failed"})
				equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 0)
				if !strings.Contains(letters[1], tt.code.Outcome().Public) {
					t.Errorf("it does not say why:\n%s", letters[1])
				}
				equal(t, "state", a.states(id), []string{"bob@b.example failed peer-refused"})
			})
		}
	}
}

// A message that comes again is delivered once and answered again, in full.
func TestDN4_AnsweredAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	w.carry(sent[0], raw[0])
	b.run()
	answers, _ := b.taken()
	equal(t, "answers", len(answers), 4)
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	equal(t, "state", a.states(id), []string{"bob@b.example relayed"})
}

// Between our own domains the same goes on without a network.
func TestDN4_DN14_OurOwnDomains(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example", "b.example")
	s.accounts("alice@a.example", "bob@b.example")
	id := s.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	for _, kind := range []store.JobKind{store.SealJob} {
		s.doStep(t.Context(), s.jobs(kind)[0], s.seal)
	}
	equal(t, "watched", len(s.jobs(store.WatchJob)), 1)
	s.run()
	equal(t, "notifications", kinds(t, s.inbox("alice@a.example")), []string{"processed", "dispatched+"})
	equal(t, "state", s.states(id), []string{"bob@b.example dispatched"})
	equal(t, "jobs left", len(s.jobs())+len(s.jobs(store.WatchJob)), 0)
}
