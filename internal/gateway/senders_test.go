package gateway

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
)

// tryAs is try for an account that sends as another.
func (s *site) tryAs(account, text, from string, to ...string) (store.TrackID, error) {
	s.t.Helper()
	a := addr(s.t, account)
	login := smtp.Login{Account: a, Proof: s.proof(a)}
	err := Submission{s.Core}.CheckSender(s.t.Context(), login, addr(s.t, from))
	if err != nil {
		return "", err
	}
	e := smtp.Envelope{Account: a, Proof: login.Proof, From: addr(s.t, from), To: addrs(s.t, to...)}
	id, err := Submission{s.Core}.Accept(s.t.Context(), e, bytes.NewReader(crlf(text)))
	return store.TrackID(id), err
}

func (s *site) submitAs(account, text, from string, to ...string) store.TrackID {
	s.t.Helper()
	id, err := s.tryAs(account, text, from, to...)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// EP-11: an account sends as its address, its aliases and their details, and as what it
// was given; as no colleague, no group, nobody who is shut out and no patient.
func TestEP11_WhatAnAccountMaySendAs(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example", "c.example")
	s.accounts("ehr@a.example", "doctor@a.example", "pat@a.example", "gone@a.example", "plain@a.example")
	s.alias("records@c.example", "ehr@a.example")
	s.alias("dr@a.example", "doctor@a.example")
	s.alias("patient@a.example", "pat@a.example")
	s.group("staff@a.example", "ehr@a.example", "doctor@a.example")
	s.change("pat@a.example", func(a *store.Account) { a.Patient = true })
	s.disable("gone@a.example")
	s.subaddress("+")
	s.senders("ehr@a.example", "@a.example", "one@c.example")
	const yes, no = "ok", "sender-not-allowed"
	for _, tt := range []struct{ account, from, want string }{
		{"ehr@a.example", "EHR@a.example", yes},
		{"ehr@a.example", "ehr+1@a.example", yes},
		{"ehr@a.example", "records@c.example", yes},
		{"ehr@a.example", "Records+x@c.example", yes},
		{"ehr@a.example", "doctor@a.example", yes},
		{"ehr@a.example", "dr@a.example", yes},
		{"ehr@a.example", "nobody@a.example", yes},
		{"ehr@a.example", "staff@a.example", yes},
		{"ehr@a.example", "one@c.example", yes},
		{"ehr@a.example", "ONE@C.example", yes},
		{"ehr@a.example", "two@c.example", no},
		{"ehr@a.example", "x@sub.a.example", no},
		{"ehr@a.example", "pat@a.example", no},
		{"ehr@a.example", "patient@a.example", no},
		{"ehr@a.example", "pat+x@a.example", no},
		{"ehr@a.example", "gone@a.example", no},
		{"plain@a.example", "plain@a.example", yes},
		{"plain@a.example", "doctor@a.example", no},
		{"plain@a.example", "nobody@a.example", no},
		{"doctor@a.example", "staff@a.example", no},
		{"doctor@a.example", "dr@a.example", yes},
		{"doctor@a.example", "records@c.example", no},
		{"pat@a.example", "patient@a.example", yes},
	} {
		login := smtp.Login{Account: addr(t, tt.account), Proof: s.proof(addr(t, tt.account))}
		got := reasonOf(Submission{s.Core}.CheckSender(t.Context(), login, addr(t, tt.from)))
		equal(t, tt.account+" as "+tt.from, got, tt.want)
		_, err := s.tryAs(tt.account, message(tt.account, "bob@b.example", "Sender: "+tt.from), tt.account, "bob@b.example")
		equal(t, tt.account+" with Sender "+tt.from, reasonOf(err), tt.want)
	}
}

// What was taken from an account while its message came is taken from that message.
func TestEP11_SendersAreAskedWhenTheMessageIsTaken(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.accounts("ehr@a.example")
	s.senders("ehr@a.example", "nurse@a.example")
	a := addr(t, "ehr@a.example")
	e := smtp.Envelope{Account: a, Proof: s.proof(a), From: addr(t, "nurse@a.example"), To: addrs(t, "bob@b.example")}
	half := crlf(message("nurse@a.example", "bob@b.example"))
	_, err := Submission{s.Core}.Accept(t.Context(), e, &interrupted{head: half, then: func() { s.senders("ehr@a.example") }})
	equal(t, "reason", reasonOf(err), "sender-not-allowed")
	equal(t, "jobs", len(s.jobs()), 0)
}

// interrupted reads head, and does something before its end.
type interrupted struct {
	head []byte
	then func()
}

func (r *interrupted) Read(p []byte) (int, error) {
	n := copy(p, r.head[:min(len(r.head), 100)])
	r.head = r.head[n:]
	if len(r.head) == 0 && r.then != nil {
		r.then()
		r.then = nil
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// RFC 6409 §8.1: who sends for another stands in Sender, and the signature speaks for
// both (AS-55, AS-65), so that the far side takes it.
func TestAS55_WhoSendsForAnotherIsNamed(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	a.accounts("ehr@a.example")
	a.addKey("alice@a.example", w.root.Leaf("alice@a.example"))
	a.senders("ehr@a.example", "alice@a.example")
	id := a.submitAs("ehr@a.example", message("alice@a.example", "bob@b.example"), "ehr@a.example", "bob@b.example")
	w.runAll()
	h := headerOf(t, b.inbox("bob@b.example")[0])
	equal(t, "From and Sender", h.Get("From")+" "+h.Get("Sender"), "Dr. Alice <alice@a.example> ehr@a.example")
	equal(t, "state", a.states(id), []string{"bob@b.example processed"})

	// One signature for one name: nothing is added, and it is the author's own.
	a.submitAs("ehr@a.example", strings.Replace(message("alice@a.example", "bob@b.example"), "m1@", "m2@", 1), "alice@a.example", "bob@b.example")
	w.runAll()
	h = headerOf(t, b.inbox("bob@b.example")[1])
	equal(t, "Sender", h.Has("Sender"), false)
	if !strings.Contains(strings.Join(h.Values("Postern-Verified"), ""), `bound-to="address"`) {
		t.Errorf("not signed by the author: %q", h.Values("Postern-Verified"))
	}
}

// Where no certificate speaks for both the message fails, and its senders hear why.
func TestAS65_NoCertificateSpeaksForBoth(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example", "c.example")
	w.site("b.example").accounts("bob@b.example")
	a.trust("", store.Both, w.root)
	a.accounts("alice@a.example", "ehr@a.example")
	a.addKey("alice@a.example", w.root.Leaf("alice@a.example"))
	a.senders("ehr@a.example", "alice@a.example", "@c.example")
	id := a.submitAs("ehr@a.example", message("alice@a.example", "bob@b.example"), "ehr@a.example", "bob@b.example")
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob@b.example failed no-signing-key"})
	equal(t, "notices", len(a.inbox("ehr@a.example")), 1)
	_, err := a.tryAs("ehr@a.example", message("x@c.example", "bob@b.example"), "ehr@a.example", "bob@b.example")
	equal(t, "two domains", reasonOf(err), "bad-header")
	_, err = a.tryAs("ehr@a.example", message("x@c.example", "bob@b.example", "Sender: y@c.example"), "z@c.example", "bob@b.example")
	equal(t, "three names", reasonOf(err), "bad-header")
}

// EP-14: what is told about a message goes to the address that it was sent from, if
// that has a mailbox, and otherwise to who handed it in.
func TestEP14_WhoIsToldOfAMessage(t *testing.T) {
	for name, tt := range map[string]struct{ from, told string }{
		"an account":            {"alice@a.example", "alice@a.example"},
		"an alias":              {"ally@a.example", "alice@a.example"},
		"nobody":                {"nurse@a.example", "ehr@a.example"},
		"itself":                {"ehr@a.example", "ehr@a.example"},
		"its own alias":         {"records@a.example", "ehr@a.example"},
		"nobody, of a domain":   {"clerk@a.example", "ehr@a.example"},
		"nobody, by upper case": {"NURSE@a.example", "ehr@a.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w, a, b := aliceAnd(t, "bob@b.example")
			a.accounts("ehr@a.example", "other@a.example")
			a.alias("ally@a.example", "alice@a.example")
			a.alias("records@a.example", "ehr@a.example")
			a.senders("ehr@a.example", "@a.example")
			a.senders("other@a.example", "nurse@a.example")
			if tt.from == "nurse@a.example" { // of two who send as one, each hears of his own
				a.submitAs("other@a.example", strings.Replace(message(tt.from, "x@nowhere.example"), "m1@", "m0@", 1), tt.from, "x@nowhere.example")
			}
			id := a.submitAs("ehr@a.example", message(tt.from, "bob@b.example>, <x@nowhere.example", wanted), tt.from, "bob@b.example", "x@nowhere.example")
			if tt.from == "nurse@a.example" {
				a.submitAs("other@a.example", strings.Replace(message(tt.from, "x@nowhere.example"), "m1@", "m2@", 1), tt.from, "x@nowhere.example")
			}
			w.runAll()
			equal(t, "states", a.states(id), []string{"bob@b.example dispatched", "x@nowhere.example failed no-certificate"})
			equal(t, "told", len(a.inbox(tt.told)), 3)
			for _, account := range []string{"alice@a.example", "ehr@a.example"} {
				if account != tt.told {
					equal(t, account, len(a.inbox(account)), 0)
				}
			}
			equal(t, "bob has it", len(b.inbox("bob@b.example")), 1)
			equal(t, "jobs left", len(a.jobs()), 0)
			a.isSound()
		})
	}
}

// An address that was sent from and has no mailbox takes what is told of that, and
// nothing else; one that was not sent from takes nothing.
func TestAnAddressWithoutMailboxTakesNotificationsAlone(t *testing.T) {
	w, a, b := aliceAnd(t, "bob@b.example")
	a.accounts("ehr@a.example")
	a.senders("ehr@a.example", "@a.example")
	equal(t, "before", a.atDoor("nurse@a.example"), []string{"unknown-recipient"})
	a.submitAs("ehr@a.example", message("nurse@a.example", "bob@b.example"), "nurse@a.example", "bob@b.example")
	equal(t, "after", a.atDoor("nurse@a.example", "clerk@a.example"), []string{"ok", "unknown-recipient"})
	w.runAll()
	equal(t, "told", a.answersAt("ehr@a.example"), []string{"bob@b.example processed"})
	id := b.submit(message("bob@b.example", "nurse@a.example"), "bob@b.example", "nurse@a.example")
	w.runAll()
	equal(t, "a letter", b.states(id), []string{"nurse@a.example failed peer-refused"})
	equal(t, "told", len(a.inbox("ehr@a.example")), 1)

	a.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "ehr@a.example")) })
	equal(t, "without the account", a.atDoor("nurse@a.example"), []string{"unknown-recipient"})
}

// AS-93: an account notifies for what comes to itself, an alias of its own too, and for
// nobody whom it sends for.
func TestAS93_AnAccountNotifiesForItsOwnAddressesAlone(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.accounts("ehr@a.example", "doctor@a.example")
	s.alias("records@a.example", "ehr@a.example")
	s.senders("ehr@a.example", "@a.example")
	for from, want := range map[string]string{
		"ehr@a.example": "ok", "records@a.example": "ok", "doctor@a.example": "sender-not-allowed", "nurse@a.example": "sender-not-allowed",
	} {
		n := &mdn.Notification{
			From: addr(t, from), To: addrs(t, "bob@b.example"), Date: s.Now(), MessageID: "<mdn@a.example>",
			FinalRecipient: addr(t, from), OriginalMessageID: "<1@b.example>", Disposition: mdn.Processed,
		}
		text, err := n.Compose(s.Rand)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.tryAs("ehr@a.example", strings.ReplaceAll(string(text), "\r\n", "\n"), from, "bob@b.example")
		equal(t, "for "+from, reasonOf(err), want)
	}
}

// Those for whom one account sends are one flow: it has the turns of one.
func TestAnAccountThatSendsForManyIsOneFlow(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.accounts("ehr@a.example")
	s.senders("ehr@a.example", "@a.example")
	for _, from := range []string{"n1@a.example", "n2@a.example"} {
		s.submitAs("ehr@a.example", message(from, "bob@b.example"), from, "bob@b.example")
	}
	for _, j := range s.jobs() {
		equal(t, "flow", j.Flow, "ehr@a.example")
	}
	equal(t, "its messages", len(s.lives(addr(t, "ehr@a.example"))), 2)
	equal(t, "those of one", len(s.lives(addr(t, "n1@a.example"))), 1)
}
