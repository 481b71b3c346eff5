package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A client that lost our 250 hands its message in again: there is one final answer,
// and it is that of the far side.
func TestDN21_HandedInTwice(t *testing.T) {
	for name, words := range map[string][]string{
		"answered twice":          {"processed", "processed", "dispatched+", "dispatched+"},
		"answered once":           {"processed", "dispatched+"},
		"answered once, and late": {"processed", "dispatched+", "processed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, id := sent(t, w, []string{wanted}, "bob@b.example")
			again := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			a.run()
			for _, word := range words {
				plain, final := strings.CutSuffix(word, "+")
				a.hears("b.example", "bob@b.example", mdn.Disposition(plain), final)
			}
			w.clock.advance(time.Hour)
			a.run()
			equal(t, "shown", a.shown(), []string{"processed", "dispatched+"})
			for _, id := range []store.TrackID{id, again} {
				equal(t, "states", a.states(id), []string{"bob@b.example dispatched"})
			}
		})
	}
}

// Between two gateways, where the second copy is delivered once and answered again.
func TestDN21_HandedInTwiceBetweenTwo(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	for range 2 {
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	}
	w.runAll()
	w.clock.advance(time.Hour)
	w.runAll()
	equal(t, "shown", a.shown(), []string{"processed"})
	equal(t, "delivered", len(b.inbox("bob@b.example")), 1)
}

// The second copy comes when the first was answered, and fails or has no answer.
func TestDN21_HandedInAfterSuccess(t *testing.T) {
	for name, code := range map[string]reason.Code{"no answer": reason.OK, "refused": reason.PeerRefused} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, _ := sent(t, w, []string{wanted}, "bob@b.example")
			a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, code) }
			a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			a.run()
			w.clock.advance(2 * time.Hour)
			a.run()
			equal(t, "shown", a.shown(), []string{"dispatched+"})
			equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
		})
	}
}

// Nothing comes: the sender is told once, by the first of the copies. A message that he
// sends again after that has an answer of its own.
func TestDN22_HandedInTwiceAndNothingComes(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	w.clock.advance(time.Minute)
	again := func() {
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.run()
	}
	again()
	w.clock.advance(time.Hour)
	a.run()
	equal(t, "shown", a.shown(), []string{"failed 5.4.7 no-processed"})
	again()
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	equal(t, "shown", a.shown(), []string{"failed 5.4.7 no-processed", "processed"})
	equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
}

// Both copies fail: that is told, however the steps come to it.
func TestDN22_HandedInTwiceAndRefused(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	for range 2 {
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	}
	a.run()
	equal(t, "shown", len(a.shown()), 1)
}

// DN-14: the first deadline tells, for all copies: also where another was handed in just
// before, or still waits to be handed over. What comes after it counts for nothing.
func TestDN14_DN21_TheFirstDeadlineTells(t *testing.T) {
	for name, code := range map[string]reason.Code{"relayed": reason.OK, "deferred": reason.PeerDeferred, "refused": reason.PeerRefused} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, id := sent(t, w, []string{wanted}, "bob@b.example")
			w.clock.advance(55 * time.Minute)
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, code) }
			again := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			a.run()
			equal(t, "before", a.shown(), nil)
			w.clock.advance(5 * time.Minute)
			a.run()
			want := []string{"failed 5.4.7 no-processed"}
			equal(t, "at the deadline", a.shown(), want)
			equal(t, "the first", a.states(id), []string{"bob@b.example overdue no-processed"})
			state := map[reason.Code]string{reason.PeerRefused: "failed peer-refused"}[code]
			equal(t, "the other", a.states(again), []string{"bob@b.example " + cmp.Or(state, "overdue no-processed")})
			equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
			code = reason.OK
			a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
			w.clock.advance(100 * time.Hour)
			a.run()
			equal(t, "shown", a.shown(), want)
			equal(t, "jobs", len(a.jobs()), 0)
		})
	}
}

// A program that hands a message in until it has an answer gets one.
func TestDN14_HandedInUntilItIsAnswered(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	for range 4 {
		w.clock.advance(50 * time.Minute)
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.run()
		w.clock.advance(10 * time.Minute)
		a.run()
	}
	equal(t, "answers", len(a.shown()), 2) // after 60 and 170 minutes
}

// DN-19: what is refused is told at once, unless a far side has taken another copy and
// its answer is awaited.
func TestDN19_DN21_RefusedAndHandedInTwice(t *testing.T) {
	refuse := func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	text := message("alice@a.example", "bob@b.example")
	again := func(a *site) store.TrackID {
		id := a.submit(text, "alice@a.example", "bob@b.example")
		a.answer = refuse
		a.run()
		return id
	}
	const told = "failed 5.0.0 peer-refused"
	for name, tt := range map[string]struct {
		first func(*world, *site)
		shown []string
		later []string // after two hours
	}{
		"an answer is awaited":      {func(w *world, a *site) { a.run() }, nil, []string{"failed 5.4.7 no-processed"}},
		"none was, after a restore": {func(w *world, a *site) { a.run(); a.forgetWaits() }, []string{told}, nil},
		"processed long ago": {func(w *world, a *site) {
			a.run()
			a.hears("b.example", "bob@b.example", mdn.Processed, false)
			w.clock.advance(20 * 24 * time.Hour)
		}, []string{"processed", told}, nil},
		"held": {func(w *world, a *site) { a.hold(true) }, []string{told}, nil},
		"in the queue": {func(w *world, a *site) {
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
			a.run()
		}, []string{told}, nil},
		"dropped silently": {func(w *world, a *site) {
			equal(w.t, "drop", a.Drop(w.t.Context(), a.jobs()[0].ID, "operator:1", true, nil), nil)
		}, []string{told}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.site("a.example"), w.site("b.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			a.submit(text, "alice@a.example", "bob@b.example")
			tt.first(w, a)
			id := again(a)
			equal(t, "shown", a.shown(), tt.shown)
			equal(t, "state", a.states(id), []string{"bob@b.example failed peer-refused"})
			w.clock.advance(2 * time.Hour)
			a.hold(false)
			a.run()
			equal(t, "shown later", a.shown(), append(tt.shown, tt.later...))
		})
	}
}

// What processed was heard of needs no other answer, also where it was handed in twice
// and the second is refused.
func TestDN30_RefusedAfterProcessed(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
	again := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	w.clock.advance(time.Hour)
	a.run()
	equal(t, "shown", a.shown(), []string{"processed"})
	equal(t, "state", a.states(again), []string{"bob@b.example processed"})
}

// hold holds all messages, or lets them go.
func (s *site) hold(held bool) {
	s.t.Helper()
	for _, j := range s.jobs(store.Steps()...) {
		if j.Held == held {
			continue
		}
		j.Held = held
		if !held {
			j = s.LetGo(j)
		}
		s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	}
}

// forgetWaits leaves nothing to wait for, as a restore does.
func (s *site) forgetWaits() {
	s.t.Helper()
	for _, t := range s.tracksOf("<m1@a.example>") {
		s.update(func(tx store.Tx) error {
			err := tx.Finish(t.Watch)
			t.Watch, t.Recipients[0].Relayed = 0, time.Time{}
			return errors.Join(err, tx.PutTrack(t))
		})
	}
}

// Other messages under one Message-ID have answers of their own.
func TestDN12_OneMessageIDForAll(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example")
	w.clock.advance(time.Minute)
	text := strings.Replace(message("alice@a.example", "bob@b.example"), "\n\n", "\n\nanother\n", 1)
	other := a.submit(text, "alice@a.example", "bob@b.example")
	a.run()
	for _, want := range [][2]string{{"processed", "relayed"}, {"processed", "processed"}} {
		a.hears("b.example", "bob@b.example", mdn.Processed, false)
		equal(t, "states", append(a.states(id), a.states(other)...), []string{"bob@b.example " + want[0], "bob@b.example " + want[1]})
	}
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	a.submit(strings.Replace(text, "another", "a third", 1), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "shown", len(a.shown()), 3)
}

// A colleague uses the Message-ID for a thousand messages of his own.
func TestDN12_AColleaguesMessageIDs(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example", "carol@a.example")
	a.update(func(tx store.Tx) error {
		for range 1000 {
			tr, err := a.newTrack(store.Now, "<M1@a.example>", addr(t, "carol@a.example"), addrs(t, "bob@b.example"), 100, a.Now())
			if err != nil {
				return err
			}
			tr.Outbound = true
			err = tx.PutTrack(tr)
			if err != nil {
				return err
			}
		}
		return nil
	})
	w.clock.advance(time.Minute)
	id := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	a.run()
	a.hears("b.example", "bob@b.example", mdn.Dispatched, true)
	equal(t, "states", a.states(id), []string{"bob@b.example dispatched"})
}

// AS-92: the answers go where the sender asks for them, and count for his message.
func TestAS92_DN13_AnswersToAnother(t *testing.T) {
	for _, asked := range []string{"desk@a.example", "Desk <DESK@a.example>", "alice@a.example, desk@a.example"} {
		w := newWorld(t)
		a, b := w.site("a.example"), w.site("b.example")
		a.accounts("alice@a.example", "desk@a.example")
		b.accounts("bob@b.example")
		id := a.submit(message("alice@a.example", "bob@b.example", wanted, "Disposition-Notification-To: "+asked), "alice@a.example", "bob@b.example")
		w.runAll()
		w.clock.advance(time.Hour)
		w.runAll()
		equal(t, "states", a.states(id), []string{"bob@b.example dispatched"})
		both := map[bool][2]int{false: {0, 2}, true: {2, 0}}[strings.Contains(asked, "alice")]
		equal(t, "told", [2]int{len(a.inbox("alice@a.example")), len(a.inbox("desk@a.example"))}, both)
	}
}

// Far sides answer to those who are asked for, all of them, or to the author alone.
func TestAS92_DN21_WhereverTheAnswerGoes(t *testing.T) {
	for name, tt := range map[string]struct {
		to          []string
		words       []mdn.Disposition
		state       string
		alice, desk int
	}{
		"to the author":            {[]string{"alice@a.example"}, []mdn.Disposition{mdn.Processed, mdn.Dispatched}, "dispatched", 2, 0},
		"to the other":             {[]string{"desk@a.example"}, []mdn.Disposition{mdn.Processed, mdn.Dispatched}, "dispatched", 0, 2},
		"to both":                  {[]string{"alice@a.example", "desk@a.example"}, []mdn.Disposition{mdn.Processed, mdn.Dispatched}, "dispatched", 2, 2},
		"failed to both":           {[]string{"alice@a.example", "desk@a.example"}, []mdn.Disposition{mdn.Failed}, "failed peer-refused", 1, 1},
		"to both, the other first": {[]string{"desk@a.example", "alice@a.example"}, []mdn.Disposition{mdn.Processed, mdn.Dispatched}, "dispatched", 2, 2},
		"failed, the other first":  {[]string{"desk@a.example", "alice@a.example"}, []mdn.Disposition{mdn.Failed}, "failed peer-refused", 1, 1},
		"contrary":                 {[]string{"desk@a.example"}, []mdn.Disposition{mdn.Dispatched, mdn.Failed}, "dispatched", 0, 1},
		"to a third":               {[]string{"carol@a.example"}, []mdn.Disposition{mdn.Processed}, "relayed", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example", "desk@a.example", "carol@a.example")
			far := w.root.Leaf("b.example")
			w.find = func(discovery.Request) (discovery.Result, bool) { return published(far), true }
			id := a.submit(message("alice@a.example", "bob@b.example", wanted, "Disposition-Notification-To: alice@a.example, desk@a.example"), "alice@a.example", "bob@b.example")
			a.run()
			for i, d := range tt.words {
				n := mdn.Notification{
					From: addr(t, "bob@b.example"), To: addrs(t, tt.to...), MessageID: fmt.Sprintf("<n%d@n.example>", i), Date: w.clock.Now(),
					FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<m1@a.example>", Disposition: d, FinalDestination: d == mdn.Dispatched,
				}
				text, err := n.Compose(nil)
				equal(t, "composed", err, nil)
				a.receive(peer{t: t, at: w.clock, id: far}.seal(string(text), a, tt.to...), addr(t, "bob@b.example"), addrs(t, tt.to...)...)
				a.run()
			}
			equal(t, "states", a.states(id), []string{"bob@b.example " + tt.state})
			equal(t, "alice's", len(a.inbox("alice@a.example")), tt.alice)
			equal(t, "the desk's", len(a.inbox("desk@a.example")), tt.desk)
		})
	}
}

// A colleague of the recipient has a certificate of the same domain, and no say.
func TestAS93_AColleaguesWord(t *testing.T) {
	for from, want := range map[string]string{
		"mallory@b.example": "relayed", "postmaster@b.example": "failed peer-refused", "MAILER-DAEMON@b.example": "failed peer-refused", "bob@b.example": "failed peer-refused",
	} {
		w := newWorld(t)
		a, id := sent(t, w, nil, "bob@b.example")
		n := mdn.Notification{
			From: addr(t, from), To: addrs(t, "alice@a.example"), MessageID: "<n@n.example>", Date: w.clock.Now(),
			FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<m1@a.example>", Disposition: mdn.Failed,
		}
		text, err := n.Compose(nil)
		equal(t, "composed", err, nil)
		a.say(peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}, text, from)
		equal(t, "states of "+from, a.states(id), []string{"bob@b.example " + want})
	}
}
