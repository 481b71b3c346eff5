package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/store/storetest"
	"postern/trust/reason"
)

func accountRow(a string) string { return `{"address":"` + a + `","password"` }
func aliasRow(a string) string   { return `{"address":"` + a + `","members"` }
func edgeRow(owner string) string {
	return `{"owner":"` + owner + `","host"`
}

// damages has a record not be readable until it is mended.
func (s *site) damages(path, begins string) (mend func()) {
	s.t.Helper()
	storetest.Replace(s.t, path, begins, "A"+begins[1:])
	s.directories.latest = nil // as after a start
	return func() {
		s.t.Helper()
		storetest.Replace(s.t, path, "A"+begins[1:], begins)
		s.directories.latest = nil
	}
}

// later runs all sites every now and then.
func (w *world) later(d time.Duration) {
	w.t.Helper()
	for ; d > 0; d -= 30 * time.Minute {
		w.clock.advance(30 * time.Minute)
		w.runAll()
	}
}

// notices counts what an account was told.
func (s *site) notices(account string) int {
	s.t.Helper()
	return len(s.inbox(account)) - s.seen(account)
}

// What an account handed in waits while its record is damaged, also for those that it would
// fail for: it is told of them when it can be. When the time is over that is in its INBOX.
func TestDN8_WhatADamagedAccountHandedInWaits(t *testing.T) {
	for _, mended := range []bool{true, false} {
		t.Run(fmt.Sprint("mended ", mended), func(t *testing.T) {
			w := newWorld(t)
			a, path := w.durable("a.example")
			b := w.site("b.example")
			a.accounts("alice@a.example", "nurse@a.example")
			b.accounts("bob@b.example")
			to := []string{"bob@b.example", "nurse@a.example", "zoe@z.example"}
			id := a.submit(message("alice@a.example", to[0], "Cc: "+to[1]+", "+to[2]), "alice@a.example", to...)
			mend := a.damages(path, accountRow("alice@a.example"))
			w.runAll()
			wantStates(t, a.states(id), "bob@b.example queued", "nurse@a.example queued", "zoe@z.example queued")
			equal(t, "alice was told", a.notices("alice@a.example"), 0)
			if mended {
				mend()
				w.later(time.Hour)
				equal(t, "bob has", b.seen("bob@b.example"), 1)
				equal(t, "nurse has", a.seen("nurse@a.example"), 1)
				wantStates(t, a.states(id), "bob@b.example processed", "nurse@a.example processed", "zoe@z.example failed no-certificate")
			} else {
				w.later(a.RetryFor + time.Hour)
				equal(t, "waiting", len(a.jobs()), 0)
				wantStates(t, a.states(id), "bob@b.example failed queue-expired", "nurse@a.example failed queue-expired", "zoe@z.example failed no-certificate")
				mend()
			}
			told := 0
			for _, text := range a.inbox("alice@a.example") {
				if strings.HasPrefix(headerOf(t, text).Get("Subject"), "Failed:") && strings.Contains(text, "Final-Recipient: rfc822;zoe@z.example") {
					told++
				}
			}
			equal(t, "alice was told of zoe", told, 1)
		})
	}
}

// What is to be sealed for somebody of ours whose record is damaged waits.
func TestDN8_WhatIsForADamagedAccountOfOursWaitsUnsealed(t *testing.T) {
	for _, begins := range []string{accountRow("bob@b.example"), aliasRow("dr@b.example")} {
		w := newWorld(t)
		b, path := w.durable("b.example")
		b.accounts("nurse@b.example", "bob@b.example", "carol@b.example")
		b.alias("dr@b.example", "bob@b.example")
		id := b.submit(message("nurse@b.example", "dr@b.example", "Cc: carol@b.example"), "nurse@b.example", "dr@b.example", "carol@b.example")
		mend := b.damages(path, begins)
		w.runAll()
		equal(t, "carol has", b.seen("carol@b.example"), 1)
		equal(t, "state", b.states(id)[0], "dr@b.example queued internal")
		mend()
		w.later(time.Hour)
		equal(t, "bob has", b.seen("bob@b.example"), 1)
		wantStates(t, b.states(id), "dr@b.example processed", "carol@b.example processed")
	}
}

// What a damaged account, or one behind a damaged alias, owes an answer for is answered when
// that is mended.
func TestDN8_AnswersWaitForADamagedRow(t *testing.T) {
	for _, c := range []struct{ to, begins string }{
		{"bob@b.example", accountRow("bob@b.example")},
		{"dr@b.example", accountRow("bob@b.example")},
		{"dr@b.example", aliasRow("dr@b.example")},
	} {
		w := newWorld(t)
		a := w.site("a.example")
		b, path := w.durable("b.example")
		a.accounts("alice@a.example")
		b.accounts("bob@b.example")
		b.alias("dr@b.example", "bob@b.example")
		id := a.submit(message("alice@a.example", c.to), "alice@a.example", c.to)
		a.run()
		sent, raw := a.taken()
		b.receive(raw[0], sent[0].From, sent[0].To...)
		b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
		mend := b.damages(path, c.begins)
		w.runAll()
		equal(t, "answers that wait", len(b.jobs(store.SealJob)), 1)
		mend()
		w.clock.advance(time.Minute)
		w.runAll()
		wantStates(t, a.states(id), c.to+" processed")
		equal(t, "left", len(b.jobs()), 0)
	}
}

// What is taken for a damaged account fails when its time is over, and its sender is told
// when there is somebody again to tell him.
func TestDN8_WhatWaitedTooLongForADamagedRow(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	b, path := w.durable("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	in := b.receive(raw[0], sent[0].From, sent[0].To...)
	mend := b.damages(path, accountRow("bob@b.example"))
	w.later(b.RetryFor + time.Hour)
	wantStates(t, b.states(in), "bob@b.example failed internal")
	mend()
	w.clock.advance(2 * time.Hour)
	b.run()
	sent, _ = b.taken()
	equal(t, "processed and failed", len(sent), 2)
}

// Who handed a message in from an alias is told of it also while that is damaged, and not
// whoever has an address that was nobody's then.
func TestDN8_WhoHandedInIsToldWhereTheSenderIsDamaged(t *testing.T) {
	w := newWorld(t)
	a, path := w.durable("a.example")
	a.accounts("bob@a.example", "ehr@a.example")
	a.alias("dr@a.example", "bob@a.example")
	a.senders("ehr@a.example", "@a.example")
	a.submitAs("bob@a.example", message("dr@a.example", "zoe@z.example"), "dr@a.example", "zoe@z.example")
	a.submitAs("ehr@a.example", message("ward@a.example", "zoe@z.example"), "ward@a.example", "zoe@z.example")
	a.accounts("ward@a.example")
	a.damages(path, aliasRow("dr@a.example"))
	a.damages(path, accountRow("ward@a.example"))
	w.later(a.RetryFor + time.Hour)
	equal(t, "bob was told", a.notices("bob@a.example"), 1)
	equal(t, "ehr was told", a.notices("ehr@a.example"), 1)
	equal(t, "ward was told", a.notices("ward@a.example"), 0)
}

// An edge that is damaged holds up nothing of what its account sends: what fails is told in
// its INBOX, and what was handed over is so once.
func TestDN8_ADamagedEdgeOfTheSender(t *testing.T) {
	for _, refused := range []bool{true, false} {
		t.Run(fmt.Sprint("refused by the far side ", refused), func(t *testing.T) {
			w := newWorld(t)
			a, path := w.durable("a.example")
			b := w.site("b.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			a.update(func(tx store.Tx) error {
				return tx.PutEdge(store.Edge{Owner: "alice@a.example", Host: "edge.a.example", Port: 25})
			})
			other := "zoe@z.example"
			if refused {
				other = "bib@b.example"
			}
			id := a.submit(message("alice@a.example", "bob@b.example", "Cc: "+other), "alice@a.example", "bob@b.example", other)
			handed := 0
			a.answer = func(d smtp.Delivery) []smtp.Result {
				handed++
				all := said(d, reason.OK)
				for i := range all {
					if all[i].Recipient.Same(addr(t, "bib@b.example")) {
						all[i].Code = reason.PeerRefused
					}
				}
				return all
			}
			a.damages(path, edgeRow("alice@a.example"))
			a.run()
			equal(t, "handed over", handed, 1)
			equal(t, "bob's state", a.states(id)[0], "bob@b.example relayed")
			equal(t, "waiting", len(a.jobs()), 0)
			equal(t, "alice was told", a.notices("alice@a.example"), 1)
			equal(t, "its track says why there", strings.Contains(strings.Join(a.events(id, store.StageNotify), "\n"), "edge of alice@a.example"), true)
		})
	}
}

// Where somebody has an address that another sent as before, when it was nobody's, his
// certificate does not sign for that one, whether his record can be read or not (AS-11).
func TestAS11_ADamagedRowSignsNothingOfTheOneBefore(t *testing.T) {
	for _, alias := range []bool{false, true} {
		for _, damaged := range []bool{false, true} {
			t.Run(fmt.Sprint("alias ", alias, ", damaged ", damaged), func(t *testing.T) {
				w := newWorld(t)
				a, path := w.durable("a.example")
				b := w.site("b.example")
				b.accounts("bob@b.example")
				a.accounts("ehr@a.example", "doc@a.example")
				a.senders("ehr@a.example", "@a.example")
				id := a.submitAs("ehr@a.example", message("ward@a.example", "bob@b.example"), "ward@a.example", "bob@b.example")
				w.clock.advance(time.Minute)
				ward, begins := addr(t, "ward@a.example"), accountRow("ward@a.example")
				if alias {
					begins = aliasRow("ward@a.example")
					a.update(func(tx store.Tx) error {
						return tx.PutAlias(store.Alias{Address: ward, Members: []mime.Address{addr(t, "doc@a.example")}, Created: a.Now()})
					})
				} else {
					a.update(func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: ward, Created: a.Now()}) })
				}
				a.addKey("ward@a.example", w.root.Leaf("ward@a.example"))
				if damaged {
					mend := a.damages(path, begins)
					for _, era := range []store.Era{a.jobs(store.SealJob)[0].Era, store.Now} {
						own, domains := a.directory().Signs(ward, era, a.Now())
						equal(t, "signs", own || domains, false)
					}
					w.runAll()
					wantStates(t, a.states(id), "bob@b.example queued")
					mend()
					w.clock.advance(time.Minute)
				}
				w.runAll()
				inbox := b.inbox("bob@b.example")
				equal(t, "bob has", len(inbox), 1)
				equal(t, "signed by that of the domain", strings.Contains(headerOf(t, inbox[0]).Get("Postern-Verified"), `bound-to="domain"`), true)
			})
		}
	}
}
