package gateway

import (
	"context"
	"strings"
	"testing"

	"postern/internal/login"
	"postern/internal/password"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

func reasonOf(err error) string { return reason.Of(err).String() }

func (s *site) disable(address string) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		a, err := tx.Account(addr(s.t, address))
		if err != nil {
			return err
		}
		a.Disabled = true
		return tx.PutAccount(a)
	})
}

// AS-53, AS-57: what a client left out is added before the message is signed.
func TestAS53_HeaderIsCompleted(t *testing.T) {
	for name, tt := range map[string]struct {
		header string
		check  func(h *mime.Header) bool
	}{
		"nothing but From": {"From: alice@a.example\n", func(h *mime.Header) bool {
			return h.Get("Date") == "Mon, 01 Jun 2026 12:00:00 +0000" && h.Get("MIME-Version") == "1.0" && h.Has("Subject") && h.Has("To")
		}},
		"empty Date":          {"From: alice@a.example\nDate:\nTo: bob@b.example\n", func(h *mime.Header) bool { return h.Count("Date") == 1 && h.Get("Date") != "" }},
		"empty Message-ID":    {"From: alice@a.example\nMessage-ID:\n", func(h *mime.Header) bool { return h.Count("Message-ID") == 1 }},
		"bare Message-ID":     {"From: alice@a.example\nMessage-ID: 1@a.example\n", func(h *mime.Header) bool { return true }},
		"UUID alone":          {"From: alice@a.example\nMessage-ID: <0-0-0>\n", func(h *mime.Header) bool { return true }},
		"Date with a comment": {"From: alice@a.example\nDate: Mon, 1 Jun 2026 13:00:00 +0100 (" + canary + ")\n", func(h *mime.Header) bool { return h.Get("Date") == "Mon, 01 Jun 2026 13:00:00 +0100" }},
		"good Message-ID":     {"From: alice@a.example\nMessage-ID: <x@y>\n", func(h *mime.Header) bool { return h.Get("Message-ID") == "<x@y>" }},
		"kept as it is": {"From: \"A\" <alice@a.example>\nDate: Tue, 02 Jun 2026 01:02:03 -0500\nTo: b@b.example\nX-Odd:  x\n", func(h *mime.Header) bool {
			return h.Get("Date") == "Tue, 02 Jun 2026 01:02:03 -0500" && h.Get("From") == `"A" <alice@a.example>` && string(h.Fields()[3].Raw) == "X-Odd:  x\r\n"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example")
			id := a.submit(tt.header+"\nbody\n", "alice@a.example", "bob@b.example")
			h := headerOf(t, a.body(a.jobs()[0].Body))
			left, right, _ := strings.Cut(h.Get("Message-ID"), "@")
			if !strings.HasPrefix(left, "<") || !strings.HasSuffix(right, ">") || len(left) < 2 || len(right) < 2 {
				t.Errorf("Message-ID %q", h.Get("Message-ID"))
			}
			equal(t, "tracked as", a.tracksOf(h.MessageID())[0].ID, id)
			if !tt.check(h) {
				t.Errorf("%+v", h.Fields())
			}
		})
	}
}

// A client that is refused for its header hears which field is wrong, by a name of ours or
// by its place.
func TestBadHeaderNamesItsField(t *testing.T) {
	const from = "From: alice@a.example\n"
	const bad = "bad-header "
	for header, want := range map[string]string{
		from + "To: postmaster\n":                      bad + "To",
		from + "To: b@b.example\nCc: <\n":              bad + "Cc",
		from + "To: b@b.example\nTo: b@b.example\n":    bad + "To",
		from + "To: b@b.example\nDate: yesterday\n":    bad + "Date",
		from + "Date: \x01\n":                          bad + "Date",
		"To: bob@b.example\n":                          bad + "From or Sender",
		from + "To: bob@b.example\nSubject: \x7f\n":    bad + "Subject",
		from + "To: bob@b.example\nx-jane-doe: \x01\n": bad + "field 3",
		from + "Jane Doe, born 1970\n":                 bad + "field 2",
		"From: Alice\nTo: bob@b.example\n":             bad + "From",
		from + "Sender: Alice\n":                       bad + "Sender",
		from + "Resent-From: x@\n":                     bad + "Resent-From",
		from + "Resent-Sender: \"a@b\"@a.example\n":    bad + "Resent-Sender",
		from + from:                 bad + "From",
		from + "Date: x\nDate: y\n": bad + "Date",
		from + "Message-ID: <1@a>\nmessage-id: <2@a>\n":               bad + "Message-ID",
		from + "Subject: x\nSubject: y\nTo: b@b.test\n":               bad + "Subject",
		from + "Subject: \xfc\n":                                      bad + "Subject",
		from + "Date: M\u00fcller\n":                                  bad + "Date",
		from + "To: b\u00f6b@b.example\n":                             "address-not-ascii To",
		from + "Subject: " + strings.Repeat("x", 70_000) + "\n":       bad + "Subject",
		from + "X-A: " + strings.Repeat("x", 70_000) + "\n":           bad + "field 2",
		from + strings.Repeat("X-Jane: x\n", 2000):                    bad,
		from + "Sender: bob@a.example\nFrom: carol@a.example\n":       bad + "From",
		"From: alice@a.example, carol@a.example\nTo: bob@b.example\n": bad + "From or Sender",
	} {
		w := newWorld(t)
		a := w.site("a.example")
		a.accounts("alice@a.example")
		_, err := a.try(header+"\nbody\n", "alice@a.example", "bob@b.example")
		got := ""
		if err != nil {
			got = reasonOf(err) + " " + reason.FieldOf(err)
		}
		equal(t, header[:min(len(header), 60)], got, want)
	}
}

// AS-51, EP-11: a header that is not the account's own, or not clean, is refused
// before the message is taken.
func TestAS51_EP11_HeaderIsRefused(t *testing.T) {
	const to = "To: bob@b.example\n"
	for name, tt := range map[string]struct{ header, want string }{
		"no From":                  {to, "bad-header"},
		"empty From":               {"From:\n" + to, "bad-header"},
		"From of another":          {"From: carol@a.example\n" + to, "sender-not-allowed"},
		"From of another domain":   {"From: alice@m.example\n" + to, "sender-not-allowed"},
		"Sender of another":        {"From: alice@a.example\nSender: carol@a.example\n" + to, "sender-not-allowed"},
		"another author":           {"From: carol@a.example, alice@a.example\nSender: alice@a.example\n" + to, "sender-not-allowed"},
		"Resent-From of another":   {"From: alice@a.example\nResent-From: carol@a.example\n" + to, "sender-not-allowed"},
		"Resent-Sender of another": {"From: alice@a.example\nResent-Sender: x@m.example\n" + to, "sender-not-allowed"},
		"Date that is none":        {"From: alice@a.example\nDate: Jane Doe\n" + to, "bad-header"},
		"too many fields":          {"From: alice@a.example\n" + to + strings.Repeat("X: x\n", 2000), "bad-header"},
		"too long a header":        {"From: alice@a.example\n" + to + strings.Repeat("X: "+strings.Repeat("x", 900)+"\n", 400), "bad-header"},
		"second Resent-From":       {"From: alice@a.example\nResent-From: alice@a.example\nResent-From: x@m.example\n" + to, "sender-not-allowed"},
		"two authors":              {"From: alice@a.example, carol@a.example\n" + to, "bad-header"},
		"two From":                 {"From: alice@a.example\nFrom: alice@a.example\n" + to, "bad-header"},
		"two From, odd case":       {"From: alice@a.example\nfROM : alice@a.example\n" + to, "bad-header"},
		"two Sender":               {"From: alice@a.example\nSender: alice@a.example\nSender: alice@a.example\n" + to, "bad-header"},
		"two To":                   {"From: alice@a.example\n" + to + to, "bad-header"},
		"two Cc":                   {"From: alice@a.example\nCc: b@b.example\nCc: b@b.example\n", "bad-header"},
		"two Date":                 {"From: alice@a.example\nDate: x\nDate: y\n" + to, "bad-header"},
		"two Subject":              {"From: alice@a.example\nSubject: x\nSubject: y\n" + to, "bad-header"},
		"two Message-ID":           {"From: alice@a.example\nMessage-ID: <1@a>\nMessage-ID: <2@a>\n" + to, "bad-header"},
		"two Content-Type":         {"From: alice@a.example\nContent-Type: text/plain\nContent-Type: text/html\n" + to, "bad-header"},
		"two encodings":            {"From: alice@a.example\nContent-Transfer-Encoding: 7bit\nContent-Transfer-Encoding: base64\n" + to, "bad-header"},
		"8-bit":                    {"From: alice@a.example\nSubject: M\xfcller\n" + to, "bad-header"},
		"address of UTF-8":         {"From: alice@a.example\nTo: Bob <b\u00f6b@b.example>\n", "address-not-ascii"},
		"Date of UTF-8":            {"From: alice@a.example\nDate: M\u00fcller\n" + to, "bad-header"},
		"control octet in a field": {"From: alice@a.example\nDate: \x01\n" + to, "bad-header"},
		"DEL in a field":           {"From: alice@a.example\nSubject: \x7f\n" + to, "bad-header"},
		"NUL in a field":           {"From: alice@a.example\nSubject: \x00\n" + to, "bad-header"},
		"To that cannot be read":   {"From: alice@a.example\nTo: bob@b.example, <\n", "bad-header"},
		"no field":                 {"From: alice@a.example\nno field\n" + to, "bad-header"},
		"folded first line":        {" x\nFrom: alice@a.example\n" + to, "bad-header"},
		"no header":                {"", "bad-header"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example", "carol@a.example")
			_, err := a.try(tt.header+"\nbody\n", "alice@a.example", "bob@b.example")
			if err == nil || reasonOf(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			equal(t, "jobs", len(a.jobs()), 0)
			report, err := a.Store.Check(t.Context())
			if err != nil || report.Bodies > 0 || report.Tracks != 1 { // of the refusal
				t.Errorf("left behind: %+v, %v", report, err)
			}
		})
	}
}

// AS-50: 8-bit parts are encoded inside of the signature, and read the same.
func TestAS50_EightBitBodyBecomesSevenBit(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	body := strings.Repeat("Jos\u00e9 M\u00fcller = 37,5 \u00b0C\n", 3000) // more than is held in memory
	text := message("alice@a.example", "bob@b.example", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
	text = strings.TrimSuffix(text, canary+"\n") + body
	a.submit(text, "alice@a.example", "bob@b.example")
	w.runAll()
	got := b.inbox("bob@b.example")
	equal(t, "delivered", len(got), 1)
	for i := 0; i < len(got[0]); i++ {
		if got[0][i] >= 0x80 {
			t.Fatal("it has 8-bit octets")
		}
	}
	h := headerOf(t, got[0])
	equal(t, "encoding", h.Get("Content-Transfer-Encoding"), "quoted-printable")
	_, encoded, _ := strings.Cut(got[0], "\r\n\r\n")
	r, err := mime.DecodeTransfer(h, strings.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "body", readAll(t, r), string(crlf(body)))
}

// What cannot be made 7-bit, since another's signature is over it, is told to
// the sender.
func TestAS50_EightBitInsideOfASignature(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	text := message("alice@a.example", "bob@b.example", "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"")
	text += "--b\nContent-Type: text/plain\n\nM\u00fcller\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n"
	id := a.submit(text, "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "state", a.states(id), []string{"bob@b.example failed malformed"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 1)
}

func TestSubmissionChecksRecipients(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "off@a.example")
	a.disable("off@a.example")
	for to, want := range map[string]string{
		"alice@a.example":  "ok",
		"off@a.example":    "recipient-disabled",
		"nobody@a.example": "unknown-recipient",
		"who@b.example":    "ok", // for discovery to judge
	} {
		err := Submission{a.Core}.CheckRecipient(t.Context(), addr(t, "alice@a.example"), addr(t, to))
		equal(t, to, reasonOf(err), want)
	}
	equal(t, "reply", reason.UnknownRecipient.Outcome().Reply, 550)
	alice := addr(t, "alice@a.example")
	granted := smtp.Login{Account: alice, Proof: a.proof(alice)}
	equal(t, "own MAIL FROM", reasonOf(Submission{a.Core}.CheckSender(t.Context(), granted, addr(t, "ALICE@A.example"))), "ok")
	equal(t, "null MAIL FROM", reasonOf(Submission{a.Core}.CheckSender(t.Context(), granted, mime.Address{})), "sender-not-allowed")
}

// EP-11: every failure to prove an account says the same and costs the same.
func TestAuthenticate(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	hash, err := a.Hasher.Hash(t.Context(), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice@a.example", "off@a.example"} {
		a.update(func(tx store.Tx) error {
			return tx.PutAccount(store.Account{Address: addr(t, name), Password: hash, Disabled: name == "off@a.example"})
		})
	}
	a.accounts("none@a.example") // without a password
	try := func(user, secret string) (mime.Address, error) {
		granted, err := Submission{a.Core}.Login(t.Context(), login.Attempt{User: user, Secret: secret})
		return granted.Account, err
	}
	got, err := try("Alice@A.example", "correct horse")
	if err != nil || !got.Same(addr(t, "alice@a.example")) {
		t.Errorf("alice: %s, %v", got, err)
	}
	var texts []string
	for _, pair := range [][2]string{
		{"alice@a.example", "wrong"}, {"alice@a.example", ""}, {"off@a.example", "correct horse"}, {"nobody@a.example", "correct horse"},
		{"none@a.example", ""}, {"alice", "correct horse"}, {"", ""}, {"\x00@a.example", "x"}, {"alice@a.example", strings.Repeat("x", password.MaxLength+1)},
	} {
		got, err := try(pair[0], pair[1])
		if err == nil || reasonOf(err) != "auth-failed" || !got.IsZero() {
			t.Errorf("%q: %s, %v", pair[0], got, err)
			continue
		}
		texts = append(texts, err.Error())
	}
	for _, text := range texts {
		equal(t, "text", text, texts[0])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Submission{a.Core}.Login(ctx, login.Attempt{User: "alice@a.example", Secret: "correct horse"})
	if err == nil {
		t.Error("let in after the end")
	}
}
