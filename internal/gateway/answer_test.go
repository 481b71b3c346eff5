package gateway

import (
	"bytes"
	"crypto/x509"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/sta"
	"postern/store"
)

// A peer is an agent of the test's own, which may misbehave.
type peer struct {
	t  testing.TB
	at *clock
	id *testnet.Identity
}

// seal seals a message for the certificates of a site.
func (p peer) seal(text string, to *site, recipients ...string) []byte {
	p.t.Helper()
	raw := crlf(text)
	signers := []cms.Signer{{Certificate: p.id.Cert, Key: p.id.Key}}
	signed, err := sta.Sign(p.t.Context(), source(raw), headerOf(p.t, string(raw)), signers, p.at.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	var b bytes.Buffer
	all := addrs(p.t, recipients...)
	err = signed.Seal(&b, all, to.certificatesOf(all), cms.EncryptOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return b.Bytes()
}

func (s *site) certificatesOf(all []mime.Address) []*x509.Certificate {
	s.t.Helper()
	dir, err := s.Directory(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var certs []*x509.Certificate
	for _, a := range all {
		certs = append(certs, dir.Certificates(a, s.Now())...)
	}
	return certs
}

// entity seals a MIME entity that is not wrapped, or wrapped in the test's way.
func (p peer) entity(outer, content string, to *site, recipient string) []byte {
	p.t.Helper()
	signed, err := smime.Sign(p.t.Context(), source(crlf(content)), []cms.Signer{{Certificate: p.id.Cert, Key: p.id.Key}}, p.at.Now())
	if err != nil {
		p.t.Fatal(err)
	}
	b := bytes.NewBuffer(crlf(outer))
	err = smime.Encrypt(b, signed, to.certificatesOf(addrs(p.t, recipient)), cms.EncryptOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return b.Bytes()
}

// AS-85, AS-86: every message but an MDN or a DSN is answered, whoever made it.
func TestAS85_AS86_WhatIsAnswered(t *testing.T) {
	report := "Content-Type: multipart/report; report-type=%; boundary=b"
	for name, tt := range map[string]struct {
		fields  []string
		answers int
	}{
		"record":                     {nil, 1},
		"record made by a machine":   {[]string{"Auto-Submitted: auto-generated"}, 1},
		"reply made by a machine":    {[]string{"Auto-Submitted: auto-replied"}, 1},
		"bulk":                       {[]string{"Precedence: bulk"}, 1},
		"another report":             {[]string{strings.Replace(report, "%", "feedback-report", 1)}, 1},
		"an MDN":                     {[]string{strings.Replace(report, "%", "disposition-notification", 1)}, 0},
		"a DSN":                      {[]string{strings.Replace(report, "%", "delivery-status", 1)}, 0},
		"a DSN in odd case":          {[]string{"Content-Type: Multipart/REPORT; REPORT-TYPE=\"Delivery-Status\"; boundary=b"}, 0},
		"a bare MDN":                 {[]string{"Content-Type: message/disposition-notification"}, 0},
		"a report that does not say": {[]string{"Content-Type: multipart/report; boundary=b"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			b.accounts("bob@b.example", "ben@b.example")
			alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
			raw := alice.seal(message("alice@a.example", "bob@b.example>, <ben@b.example", tt.fields...), b, "bob@b.example")
			id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example", "ben@b.example")...)
			b.doStep(t.Context(), b.jobs()[0], b.open)
			equal(t, "delivered", len(b.inbox("bob@b.example"))+len(b.inbox("ben@b.example")), 2)
			answers := b.jobs()
			equal(t, "answers", len(answers), 2*tt.answers) // one for each recipient
			equal(t, "events", len(b.events(id, "notify")), 2*tt.answers)
			for _, j := range answers {
				if j.Kind != store.SealJob || !j.Automatic {
					t.Errorf("the answer is %+v", j)
				}
			}
		})
	}
}

// events returns the details of a track's events of one stage.
func (s *site) events(id store.TrackID, stage string) []string {
	s.t.Helper()
	var all []string
	s.view(func(tx store.Tx) error {
		all = nil
		events, err := tx.Events(id)
		for _, e := range events {
			if e.Stage == stage {
				all = append(all, e.Detail)
			}
		}
		return err
	})
	return all
}

// AS-87, AS-88, AS-91 to AS-93: the answers, as they leave.
func TestAS87_AnswersAreSealedAndFromTheRecipient(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example", "ben@b.example")
	a.submit(message("alice@a.example", "bob@b.example>, <ben@b.example", "Disposition-Notification-To: alice@a.example"),
		"alice@a.example", "bob@b.example", "ben@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.run()
	sent, raw = b.taken()
	equal(t, "answers", len(sent), 2)
	from := map[string]bool{}
	for i, d := range sent {
		noCanary(t, "the answer", string(raw[i]))
		from[d.From.String()] = true
		equal(t, "to", d.To, addrs(t, "alice@a.example"))
		w.carry(d, raw[i])
	}
	equal(t, "MAIL FROM", from, map[string]bool{"bob@b.example": true, "ben@b.example": true})
	a.run()
	for _, text := range a.inbox("alice@a.example") {
		n := parseMDN(t, text)
		if !from[n.From.String()] || !n.FinalRecipient.Same(n.From) {
			t.Errorf("From %s, Final-Recipient %s", n.From, n.FinalRecipient)
		}
		if headerOf(t, text).Has("Disposition-Notification-To") {
			t.Error("it asks for an answer itself")
		}
		if !strings.Contains(text, "\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n") {
			t.Errorf("the disposition is not whole on its line:\n%s", text)
		}
		delete(from, n.From.String())
	}
	equal(t, "not answered", len(from), 0)
	sent, _ = a.taken()
	equal(t, "answers to the answers", len(sent), 0)
}

// AS-92: a request is followed within the sender's own domain alone.
func TestAS92_WhereAnswersGo(t *testing.T) {
	for asked, want := range map[string]string{
		"":                                "alice@a.example",
		"desk@a.example":                  "desk@a.example",
		"Desk <DESK@A.example>":           "DESK@a.example",
		"victim@v.example":                "alice@a.example",
		"desk@a.example, v@v.example":     "alice@a.example",
		"alice@a.example, desk@a.example": "alice@a.example",
		"desk@sub.a.example":              "alice@a.example",
		"nonsense":                        "alice@a.example",
		"<":                               "alice@a.example",
		strings.Repeat("v@v.example, ", 50) + "v@v.example": "alice@a.example",
	} {
		t.Run(asked, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.site("a.example"), w.site("b.example")
			w.site("v.example").accounts("v@v.example", "victim@v.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			var fields []string
			if asked != "" {
				fields = append(fields, "Disposition-Notification-To: "+asked)
			}
			alice := peer{t: t, at: w.clock, id: w.root.Leaf("alice@a.example")}
			raw := alice.seal(message("alice@a.example", "bob@b.example", fields...), b, "bob@b.example")
			b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
			b.run()
			sent, _ := b.taken()
			equal(t, "answers", len(sent), 1)
			equal(t, "to", sent[0].To, addrs(t, want))
		})
	}
}

// AS-86: an answer that cannot be sent is given up without a word.
func TestAS86_FailingAnswerIsNotTold(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")} // a.example publishes nothing
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.run()
	equal(t, "jobs left", len(b.jobs()), 0)
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	sent, _ := b.taken()
	equal(t, "sent", len(sent), 0)
}

// DN-8, AS-95: when the account went after RCPT, the sender learns of it.
func TestAS95_DN8_AccountGoneIsAnsweredFailed(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "bob@b.example")) })
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob@b.example failed peer-refused"})
	inbox := a.inbox("alice@a.example")
	equal(t, "notifications", len(inbox), 2) // section 10 of the digest: processed, then failed
	equal(t, "first", parseMDN(t, inbox[0]).Disposition, mdn.Processed)
	equal(t, "second", parseMDN(t, inbox[1]).Disposition, mdn.Failed)
}

// The account goes while its message is being opened: the answer composed for it
// would be a lie, so that another is.
func TestDN8_AccountGoesDuringTheStep(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.Store = &racing{Store: b.Store, before: func() {
		b.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "bob@b.example")) })
	}}
	w.runAll()
	equal(t, "state", a.states(id), []string{"bob@b.example failed peer-refused"})
}

// Notifications move a track for those who may say so, and nobody else.
func TestAS93_WhoseWordCounts(t *testing.T) {
	type word struct{ signer, from, to, about, final string }
	good := word{"b.example", "bob@b.example", "alice@a.example", "<m1@a.example>", "bob@b.example"}
	change := func(fn func(*word)) word { w := good; fn(&w); return w }
	for name, tt := range map[string]struct {
		word word
		want string
	}{
		"the recipient's agent":     {good, "processed"},
		"another of its domain":     {change(func(w *word) { w.from = "postmaster@b.example" }), "processed"},
		"a third party":             {change(func(w *word) { w.signer, w.from = "m.example", "mallory@m.example" }), "relayed"},
		"a third party as itself":   {change(func(w *word) { w.signer, w.from, w.final = "m.example", "mallory@m.example", "mallory@m.example" }), "relayed"},
		"a third party in its name": {change(func(w *word) { w.signer = "m.example" }), "relayed"},
		"to another of ours":        {change(func(w *word) { w.to = "carol@a.example" }), "relayed"},
		"about another message":     {change(func(w *word) { w.about = "<m2@a.example>" }), "relayed"},
		"about another recipient":   {change(func(w *word) { w.final = "ben@b.example" }), "relayed"},
		"a neighbour":               {change(func(w *word) { w.signer, w.from = "ben@b.example", "ben@b.example" }), "relayed"},
		"the recipient itself":      {change(func(w *word) { w.signer = "bob@b.example" }), "processed"},
		"a child domain":            {change(func(w *word) { w.signer, w.from = "x.b.example", "bob@x.b.example" }), "relayed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example").accounts("bob@b.example")
			a.accounts("alice@a.example", "carol@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			n := mdn.Notification{
				From: addr(t, tt.word.from), To: addrs(t, tt.word.to), MessageID: "<n@n.example>", Date: w.clock.Now(),
				FinalRecipient: addr(t, tt.word.final), OriginalMessageID: tt.word.about, Disposition: mdn.Processed,
			}
			text, err := n.Compose(nil)
			if err != nil {
				t.Fatal(err)
			}
			far := peer{t: t, at: w.clock, id: w.root.Leaf(tt.word.signer)}
			a.receive(far.seal(string(text), a, tt.word.to), addr(t, tt.word.from), addrs(t, tt.word.to)...)
			a.run()
			equal(t, "state", a.states(id), []string{"bob@b.example " + tt.want})
			// What is not about a message and a recipient of his is mail like any other.
			delivered := 1
			if tt.word.to == "alice@a.example" && tt.word.about == "<m1@a.example>" && tt.word.final == "bob@b.example" && tt.want == "relayed" {
				delivered = 0
			}
			equal(t, "delivered", len(a.inbox(tt.word.to)), delivered)
		})
	}
}

// say has a peer's notification about the first message opened at a site.
func (s *site) say(p peer, text []byte, from string) {
	s.t.Helper()
	s.receive(p.seal(string(text), s, "alice@a.example"), addr(s.t, from), addrs(s.t, "alice@a.example")...)
	s.run()
}

func disposition(t *testing.T, at *clock, d mdn.Disposition) []byte {
	t.Helper()
	n := mdn.Notification{
		From: addr(t, "bob@b.example"), To: addrs(t, "alice@a.example"), MessageID: "<n@b.example>", Date: at.Now(),
		FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<m1@a.example>", Disposition: d,
	}
	text, err := n.Compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What a sender who asked for nothing is shown, one letter for each notification.
func TestAS94_CP17_DN13_DN21_OrderOfNotifications(t *testing.T) {
	for name, tt := range map[string]struct {
		words []mdn.Disposition
		want  string
		shown int
	}{
		"processed, then failed":     {[]mdn.Disposition{mdn.Processed, mdn.Failed}, "failed peer-refused", 2}, // DN-8
		"failed, then processed":     {[]mdn.Disposition{mdn.Failed, mdn.Processed}, "failed peer-refused", 1},
		"failed twice":               {[]mdn.Disposition{mdn.Failed, mdn.Failed}, "failed peer-refused", 1}, // DN-22
		"processed twice":            {[]mdn.Disposition{mdn.Processed, mdn.Processed}, "processed", 1},
		"processed, dispatched":      {[]mdn.Disposition{mdn.Processed, mdn.Dispatched}, "dispatched", 1},
		"dispatched, then processed": {[]mdn.Disposition{mdn.Dispatched, mdn.Processed}, "dispatched", 1},
		"dispatched, then failed":    {[]mdn.Disposition{mdn.Dispatched, mdn.Failed}, "dispatched", 1},
		"displayed alone":            {[]mdn.Disposition{mdn.Displayed}, "processed", 1},
		"processed, displayed":       {[]mdn.Disposition{mdn.Processed, mdn.Displayed}, "processed", 2},
		"failed, displayed":          {[]mdn.Disposition{mdn.Failed, mdn.Displayed}, "failed peer-refused", 2},
		"deleted":                    {[]mdn.Disposition{"deleted"}, "relayed", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			a.accounts("alice@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			far := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
			for _, d := range tt.words {
				text := disposition(t, w.clock, mdn.Processed)
				text = bytes.ReplaceAll(text, []byte("; processed\r\n"), []byte("; "+string(d)+"\r\n"))
				a.say(far, text, "bob@b.example")
			}
			equal(t, "state", a.states(id), []string{"bob@b.example " + tt.want})
			equal(t, "delivered", len(a.inbox("alice@a.example")), tt.shown)
		})
	}
}

// A DSN fails those of its own domain and leaves the others alone.
func TestDN21_DSNOfTheFarSide(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	w.site("c.example")
	a.accounts("alice@a.example")
	to := []string{"bob@b.example", "ben@b.example", "carol@c.example"}
	id := a.submit(message("alice@a.example", strings.Join(to, ">, <")), "alice@a.example", to...)
	a.run()
	n := dsn.Notification{
		From: addr(t, "postmaster@b.example"), To: addr(t, "alice@a.example"), MessageID: "<d@b.example>", Date: w.clock.Now(),
		ReportingMTA: "mx.b.example", OriginalMessageID: "<m1@a.example>",
		Recipients: []dsn.Recipient{
			{Final: addr(t, "bob@b.example"), Action: dsn.Failed, Status: "5.1.1"},
			{Final: addr(t, "ben@b.example"), Action: dsn.Delayed, Status: "4.4.1"},
			{Final: addr(t, "carol@c.example"), Action: dsn.Failed, Status: "5.1.1"},
		},
	}
	text, err := n.Compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	a.say(peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}, text, "postmaster@b.example")
	equal(t, "states", a.states(id), []string{"bob@b.example failed peer-refused", "ben@b.example relayed", "carol@c.example relayed"})
	equal(t, "delivered", len(a.inbox("alice@a.example")), 1)
	equal(t, "jobs left", len(a.jobs()), 0)
}

// The answer may be here before the relay step wrote down that the message was
// taken.
func TestAnswerOvertakesTheRelay(t *testing.T) {
	for d, want := range map[mdn.Disposition]string{mdn.Processed: "processed", mdn.Failed: "failed peer-refused"} {
		w := newWorld(t)
		a := w.site("a.example")
		w.site("b.example")
		a.accounts("alice@a.example")
		id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.doStep(t.Context(), a.jobs(store.SealJob)[0], a.seal)
		relay := a.jobs(store.RelayJob)[0]
		far := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
		raw := far.seal(string(disposition(t, w.clock, d)), a, "alice@a.example")
		a.receive(raw, addr(t, "bob@b.example"), addrs(t, "alice@a.example")...)
		a.doStep(t.Context(), a.jobs(store.OpenJob)[0], a.open)
		a.doStep(t.Context(), relay, a.relay)
		equal(t, "state", a.states(id), []string{"bob@b.example " + want})
	}
}
