package gateway

import (
	"errors"
	"testing"

	"postern/internal/audit"
	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// What an operator drops is told to its sender, unless he wants it silent.
func TestDropTellsTheSender(t *testing.T) {
	for name, row := range map[string]struct {
		sealed, silent bool
		notices        int
	}{
		"to be sealed":  {false, false, 1},
		"to be relayed": {true, false, 1},
		"silent":        {true, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			a.accounts("alice@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			if row.sealed {
				a.doStep(t.Context(), a.jobs()[0], a.seal)
			}
			err := a.Drop(t.Context(), a.jobs()[0].ID, "operator:7", row.silent, nil)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "states", a.states(id), []string{"bob@b.example failed dropped"})
			equal(t, "jobs left", len(a.jobs()), 0)
			notices := a.inbox("alice@a.example")
			equal(t, "notices", len(notices), row.notices)
			told := []string{"failure notice to alice@a.example, INBOX, UID 1"}
			answer := store.ToldFailure
			if row.silent {
				told, answer = nil, store.ToldSilent
			}
			equal(t, "events of notices", a.events(id, store.StageNotify), told)
			equal(t, "told", a.tracksOf("<m1@a.example>")[0].Recipients[0].Told, answer)
			for _, n := range notices {
				equal(t, "diagnostics", diagnostics(parseDSN(t, n)), map[string]string{"bob@b.example": "failed 5.7.0 x-postern; dropped"})
			}
			err = a.Drop(t.Context(), 1, "operator:7", false, nil)
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("again: %v", err)
			}
		})
	}
}

// What an operator drops silently stays silent: who says something of it later is
// not heard by its sender either, and the audit trail has that he was not told.
func TestSilentDropStaysSilent(t *testing.T) {
	_, a, id := relaying(t)
	err := a.Drop(t.Context(), a.jobs(store.RelayJob)[0].ID, "operator:7", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	equal(t, "shown", a.shown(), nil)
	equal(t, "heard", a.events(id, store.StageNotify), []string{"MDN processed, not shown: an operator dropped the message silently before"})
	detail := ""
	a.view(func(tx store.Tx) error {
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err == nil && e.Action == audit.Dropped {
				detail = e.Detail
			}
			return true
		})
	})
	equal(t, "record", detail, "silently: the sender was not told")
}

// A notification is dropped without a word, and an incoming message is refused in
// its track.
func TestDropOfWhatNobodyIsToldOf(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	id := b.receive(raw[0], sent[0].From, sent[0].To...)
	err := b.Drop(t.Context(), b.jobs(store.OpenJob)[0].ID, "operator:7", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "states", b.states(id), []string{"bob@b.example refused dropped"})
	equal(t, "delivered", len(b.inbox("bob@b.example")), 0)
	b.receive(raw[0], sent[0].From, sent[0].To...)
	b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
	mdns := b.jobs(store.SealJob)
	equal(t, "notifications", len(mdns), 1)
	err = b.Drop(t.Context(), mdns[0].ID, "operator:7", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "in the mailbox", len(b.inbox("bob@b.example")), 1)
	equal(t, "jobs left", len(b.jobs()), 0)
}

// What was released, or is judged again, since an operator looked at what he holds or
// keeps, is not dropped with the rest of it.
func TestDropAsksAgainWhatIsMeant(t *testing.T) {
	_, a, id := relaying(t)
	job := a.jobs()[0]
	held := func(j store.Job) bool { return j.Held }
	before := a.states(id)
	err := a.Drop(t.Context(), job.ID, "operator:7", false, held)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("released: %v", err)
	}
	equal(t, "left", len(a.jobs()), 1)
	equal(t, "states", a.states(id), before)
	equal(t, "notices", len(a.inbox("alice@a.example")), 0)
	job.Held = true
	a.update(func(tx store.Tx) error { return tx.Reschedule(job) })
	err = a.Drop(t.Context(), job.ID, "operator:7", false, held)
	if err != nil {
		t.Errorf("held: %v", err)
	}
	equal(t, "left", len(a.jobs()), 0)
}

// What is being sent can be neither dropped, for the far side may take it, nor is
// it sent when it was dropped or held before.
func TestDropAndSendingExcludeEachOther(t *testing.T) {
	_, a, id := relaying(t)
	job := a.jobs()[0]
	a.answer = func(d smtp.Delivery) []smtp.Result {
		err := a.Drop(t.Context(), job.ID, "operator:7", false, nil)
		if !errors.Is(err, ErrInWork) {
			t.Errorf("dropped while it was sent: %v", err)
		}
		a.update(func(tx store.Tx) error {
			j, err := tx.Job(job.ID)
			j.Held = true
			return errors.Join(err, tx.Reschedule(j))
		})
		return said(d, reason.PeerDeferred)
	}
	a.doStep(t.Context(), job, a.relay)
	equal(t, "held while it was sent", a.jobs()[0].Held, true)
	a.taken()
	a.doStep(t.Context(), job, a.relay) // claimed before it was held
	sent, _ := a.taken()
	equal(t, "sent although held", len(sent), 0)
	err := a.Drop(t.Context(), job.ID, "operator:7", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	a.doStep(t.Context(), job, a.relay)
	sent, _ = a.taken()
	equal(t, "sent although dropped", len(sent), 0)
	equal(t, "jobs left", len(a.jobs()), 0)
	equal(t, "states", a.states(id), []string{"bob@b.example failed dropped", "ben@b.example failed dropped"})
}

// A message that is held or dropped while it is sealed or opened goes no further.
func TestHoldAndDropOvertakeOtherSteps(t *testing.T) {
	for name, overtake := range map[string]func(*site, store.Job) error{
		"dropped": func(s *site, j store.Job) error { return s.Drop(s.t.Context(), j.ID, "operator:7", true, nil) },
		"held": func(s *site, j store.Job) error {
			j.Held = true
			return s.Store.Update(s.t.Context(), func(tx store.Tx) error { return tx.Reschedule(j) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.site("a.example"), w.site("b.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			text := message("alice@a.example", "bob@b.example")
			a.submit(text, "alice@a.example", "bob@b.example")
			seal := a.jobs(store.SealJob)[0]
			w.find = func(discovery.Request) (discovery.Result, bool) {
				err := overtake(a, seal)
				if err != nil {
					t.Error(err)
				}
				return discovery.Result{}, false
			}
			a.doStep(t.Context(), seal, a.seal)
			equal(t, "sealed", len(a.jobs(store.RelayJob)), 0)
			w.find = nil
			a.submit(text, "alice@a.example", "bob@b.example")
			a.run()
			sent, raw := a.taken()
			b.receive(raw[0], sent[0].From, sent[0].To...)
			open := b.jobs(store.OpenJob)[0]
			err := overtake(b, open)
			if err != nil {
				t.Fatal(err)
			}
			b.doStep(t.Context(), open, b.open)
			equal(t, "delivered", len(b.inbox("bob@b.example")), 0)
			equal(t, "answered", len(b.jobs(store.SealJob)), 0)
		})
	}
}
