package gateway

import (
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
)

// asSigned takes off what we put in front of a delivered message.
func asSigned(t testing.TB, raw string) string {
	t.Helper()
	h := headerOf(t, raw)
	for i, f := range h.Fields() {
		if !saysOurs(f.Name) && !(f.Name == "Received" && strings.Contains(f.Value(), "(Postern) with")) {
			if i < 3 {
				t.Errorf("the message has %d fields of ours in front", i)
			}
			return raw
		}
		raw = strings.TrimPrefix(raw, string(f.Raw))
	}
	return raw
}

// verifiedBy reads a Postern-Verified as any reader of MIME parameters would.
func verifiedBy(t testing.TB, raw string) (what string, parameters map[string]string) {
	t.Helper()
	h := headerOf(t, raw)
	if h.Count(ownVerified) != 1 {
		t.Fatalf("%d fields %s", h.Count(ownVerified), ownVerified)
	}
	asType := &mime.Header{}
	err := asType.Add("Content-Type", "x/"+h.Get(ownVerified))
	if err != nil {
		t.Fatal(err)
	}
	d, err := asType.ContentType()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(d.Type, "x/"), d.Params
}

// What is delivered says what was verified: who signed, by whose anchor, how it was
// encrypted; and where it came from (RFC 5321 §4.4, RFC 8601 §4, RFC 7281 §3).
func TestAS62_DeliveredSaysWhatWasVerified(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	leaf := w.root.Leaf("a.example")
	alice := peer{t: t, at: w.clock, id: leaf}
	text := message("alice@a.example", "bob@b.example")
	id := b.receive(alice.seal(text, b, "bob@b.example"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.run()
	raw := b.inbox("bob@b.example")[0]
	equal(t, "signed octets", asSigned(t, raw), string(crlf(text)))

	h := headerOf(t, raw)
	var names []string
	for _, f := range h.Fields()[:4] {
		names = append(names, f.Name)
	}
	equal(t, "in front", names, []string{"Return-Path", "Authentication-Results", "Postern-Verified", "Received"})
	equal(t, "Return-Path", h.Get("Return-Path"), "<alice@a.example>")
	equal(t, "Authentication-Results", h.Get("Authentication-Results"),
		"mx.b.example; smime=pass (message and header are signed) body.smime-identifier=alice@a.example"+
			" body.smime-serial="+serialOf(leaf.Cert)+` body.smime-issuer="CN=root,O=Postern TEST ONLY"`)
	equal(t, "Received", h.Get("Received"),
		"from unknown ([192.0.2.1]) by mx.b.example (Postern) with ESMTP id "+string(id)+"; Mon, 01 Jun 2026 12:00:00 +0000")
	what, got := verifiedBy(t, raw)
	equal(t, "what", what, "message")
	equal(t, "parameters", got, map[string]string{
		"by": "mx.b.example", "at": "2026-06-01T12:00:00Z", "track": string(id),
		"sender": "alice@a.example", "bound-to": "domain", "profile": "1.3", "policy": "community",
		"signer": "CN=a.example,O=Postern TEST ONLY", "signer-sha256": store.FingerprintOf(leaf.Cert.Raw).String(),
		"anchor": "CN=root,O=Postern TEST ONLY", "anchor-sha256": store.FingerprintOf(w.root.Cert.Raw).String(),
		"anchor-source": "manual", "signature": "RSA PKCS#1 v1.5 SHA-256",
		"encryption": "AES-256-CBC", "key-management": "RSA-PKCS1-v1.5",
	})
}

// AS-43: where nobody signed the header, both fields say so.
func TestAS43_DeliveredSaysThatTheHeaderWasNotSigned(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	b.AcceptUnwrapped = true
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	outer := "Authentication-Results: mx.b.example; smime=pass\nPostern-Verified: message\nFrom: alice@a.example\nTo: bob@b.example\nMessage-ID: <m1@a.example>\nMIME-Version: 1.0\n"
	b.receive(alice.entity(outer, "Content-Type: text/plain\n\n"+canary+"\n", b, "bob@b.example"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.run()
	raw := b.inbox("bob@b.example")[0]
	what, got := verifiedBy(t, raw)
	equal(t, "what", what, "content")
	equal(t, "removed", got["removed"], "") // nothing of the outer header but its routing comes in
	h := headerOf(t, raw)
	equal(t, "count", h.Count("Authentication-Results"), 1)
	if !strings.Contains(h.Get("Authentication-Results"), "the header is not") {
		t.Error(h.Get("Authentication-Results"))
	}
}

// RFC 8601 §5: whatever a sender writes and signs, only we speak for ourselves.
func TestSpoofedFieldsAreRemoved(t *testing.T) {
	spoofs := map[string]string{
		"plain":                  "Authentication-Results: mx.b.example; smime=pass body.smime-identifier=chief@b.example",
		"lower case":             "authentication-results: mx.b.example; smime=pass",
		"odd case":               "AuTHentication-resuLTS: MX.B.EXAMPLE; smime=pass",
		"space before the colon": "Authentication-Results : mx.b.example; smime=pass",
		"tab before the colon":   "Authentication-Results\t: mx.b.example; smime=pass",
		"folded":                 "Authentication-Results:\n mx.b.example;\n\tsmime=pass",
		"folded at once":         "Authentication-Results:\n \n mx.b.example; smime=pass",
		"comment before":         "Authentication-Results: (a (nested) comment) mx.b.example; smime=pass",
		"comment within":         "Authentication-Results: mx(.).b(.)example; smime=pass",
		"quoted":                 `Authentication-Results: "mx.b.example"; smime=pass`,
		"quoted with escapes":    `Authentication-Results: "mx\.b.example" 1; smime=pass`,
		"version":                "Authentication-Results: mx.b.example 1; smime=pass",
		"final dot":              "Authentication-Results: mx.b.example.; smime=pass",
		"somebody else's":        "Authentication-Results: mx.b.example.evil.example; smime=pass",
		"encoded word":           "Authentication-Results: =?us-ascii?q?mx=2Eb=2Eexample?=; smime=pass",
		"ours":                   "Postern-Verified: message; sender=\"chief@b.example\"",
		"ours, odd":              "pOSTERN-vERIFIED : message",
		"another name of ours":   "Postern-Trust: yes",
		"the bare name":          "Postern-: yes",
		"return path":            "Return-Path: <chief@b.example>",
	}
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	for _, name := range slices.Sorted(maps.Keys(spoofs)) {
		t.Run(name, func(t *testing.T) {
			spoof := spoofs[name]
			text := message("alice@a.example", "bob@b.example", spoof, "X-Kept: yes", spoof)
			text = strings.Replace(text, "<m1", "<"+strings.Map(letters, name), 1)
			id := b.receive(alice.seal(text, b, "bob@b.example"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
			b.run()
			equal(t, "states", b.states(id), []string{"bob@b.example delivered"})
			raw := latest(b.inbox("bob@b.example"))
			want := strings.ReplaceAll(text, spoof+"\n", "")
			equal(t, "the rest", asSigned(t, raw), string(crlf(want)))
			_, got := verifiedBy(t, raw)
			equal(t, "removed", got["removed"], "2")
			for _, f := range []string{"Authentication-Results", "Postern-Verified", "Return-Path"} {
				equal(t, f, headerOf(t, raw).Count(f), 1)
			}
			parsed, err := mail.ReadMessage(strings.NewReader(raw)) // another reader sees the same
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "another reader", len(parsed.Header["Authentication-Results"])+len(parsed.Header["Postern-Verified"]), 2)
		})
	}
}

func latest(all []string) string { return all[len(all)-1] }

func letters(c rune) rune {
	if 'a' <= c && c <= 'z' {
		return c
	}
	return -1
}

// Recipients whose domains believe the same anchor for different reasons are told
// their own; those who share the finding share the stored body.
func TestEachRecipientIsToldWhatCountsForHim(t *testing.T) {
	w := newWorld(t)
	b := w.bare("b.example", "c.example")
	b.accounts("bob@b.example", "ben@b.example", "carol@c.example")
	both := w.root.Leaf("b.example")
	b.addKey("b.example", both)
	b.addKey("c.example", w.root.Leaf("c.example"))
	b.trust("b.example", store.Both, w.root)
	b.update(func(tx store.Tx) error {
		to := []store.Attachment{{Domain: "c.example", Direction: store.Both}}
		err := tx.PutBundle(store.Bundle{Name: "community", URL: "https://bundle.example/b", Attached: to, Every: time.Hour, Created: b.Now()})
		if err != nil {
			return err
		}
		return tx.PutBundleAnchors("community", store.NewBundleSet([]store.BundleAnchor{{Certificate: w.root.Cert.Raw}}))
	})
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	text := message("alice@a.example", "bob@b.example>, <ben@b.example>, <carol@c.example")
	b.receive(alice.seal(text, b, "bob@b.example", "carol@c.example"), addr(t, "alice@a.example"), addrs(t, "bob@b.example", "ben@b.example", "carol@c.example")...)
	b.run()
	for account, want := range map[string]string{"bob@b.example": "manual", "ben@b.example": "manual", "carol@c.example": "community"} {
		_, got := verifiedBy(t, b.inbox(account)[0])
		equal(t, account, got["anchor-source"], want)
	}
	equal(t, "one body for two", b.bodyOf("bob@b.example"), b.bodyOf("ben@b.example"))
}

// bodyOf is the body of the first message in an account's INBOX.
func (s *site) bodyOf(account string) (id store.BodyID) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		box, err := tx.MailboxByName(addr(s.t, account), store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			id = m.Body
			return false
		})
	})
	return id
}

// A message that comes again is known by what was signed, not by what we say of it.
func TestWhatWeSayDoesNotHideThatAMessageCameBefore(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	for range 2 {
		b.receive(raw, addr(t, "alice@a.example"), addr(t, "bob@b.example"))
		b.run()
		w.clock.advance(1e9)
	}
	equal(t, "messages", len(b.inbox("bob@b.example")), 1)
}

// A notice that this gateway makes claims no verification, and a message among our own
// domains says truly that it was signed and encrypted like any other, and that no
// session brought it.
func TestOwnAndLocalMessagesSayWhatTheyAre(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "ann@a.example")
	a.submit(message("alice@a.example", "nobody@void.example"), "alice@a.example", "nobody@void.example")
	a.run()
	notice := a.inbox("alice@a.example")[0]
	h := headerOf(t, notice)
	equal(t, "Return-Path", h.Get("Return-Path"), "<>")
	equal(t, "Authentication-Results", h.Get("Authentication-Results"), "mx.a.example; none")
	what, got := verifiedBy(t, notice)
	equal(t, "what", what, "own")
	equal(t, "parameters", slices.Sorted(maps.Keys(got)), []string{"at", "by", "track"})
	equal(t, "notice", parseDSN(t, notice).OriginalMessageID, "<m1@a.example>")

	text := strings.Replace(message("alice@a.example", "ann@a.example"), "<m1", "<m2", 1)
	a.submit(text, "alice@a.example", "ann@a.example")
	a.run()
	local := a.inbox("ann@a.example")[0]
	what, got = verifiedBy(t, local)
	equal(t, "what", what, "message")
	equal(t, "signer", got["signer"], "CN=a.example,O=Postern TEST ONLY")
	equal(t, "Received", headerOf(t, local).Count("Received"), 0)
	what, got = verifiedBy(t, latest(a.inbox("alice@a.example"))) // ann's processed notification
	equal(t, "what", what, "message")
	equal(t, "sender", got["sender"], "ann@a.example")
}

// What a stranger's certificate says cannot end the field or begin another.
func TestNamesOfStrangersStayInTheirQuotes(t *testing.T) {
	w := newWorld(t)
	evil := w.pki.Root("evil\"; smime=fail\r\nX-Injected: yes; \\")
	leaf := evil.Leaf("a.example")
	v := verified{
		host: "mx.b.example", from: addr(t, "a@a.example"), at: w.clock.Now(), track: "T",
		opened:  &sta.Opened{Sender: addr(t, "a@a.example"), Wrapped: true},
		verdict: sta.Verdict{Signer: leaf.Cert, Trust: trust.Verdict{Anchor: evil.Cert}},
	}
	h, err := v.fields()
	if err != nil {
		t.Fatal(err)
	}
	var raw strings.Builder
	_, err = h.WriteTo(&raw)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(raw.String()))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "fields", slices.Sorted(maps.Keys(parsed.Header)), []string{"Authentication-Results", "Postern-Verified", "Return-Path"})
	_, got := verifiedBy(t, raw.String())
	equal(t, "anchor", strings.Count(got["anchor"], "smime=fail"), 1)
	v.opened.Sender = addr(t, `"x;smime=pass;dkim=pass"@a.example`)
	if said := v.smimeResult(); strings.Contains(said, "dkim") {
		t.Errorf("a local part reads as a result: %s", said)
	}
}

// What some reader takes for the end of a line is none to any of them, and hides nothing.
func TestFieldsEndForAllReadersAlike(t *testing.T) {
	const forged = "Authentication-Results: mx.b.example; smime=pass (forged)"
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	for i, end := range []string{"\v", "\f", "\x1c", "\u0085", "\u2028"} {
		text := strings.Replace(message("alice@a.example", "bob@b.example", "X-Odd: y"+end+forged), "<m1", fmt.Sprintf("<m%d", 10+i), 1)
		id := b.receive(alice.seal(text, b, "bob@b.example"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
		b.run()
		equal(t, "states", b.states(id), []string{"bob@b.example delivered"})
		raw := latest(b.inbox("bob@b.example"))
		if !strings.Contains(raw, "\r\nX-Odd: y "+forged+"\r\n") {
			t.Errorf("%q: %s", end, raw)
		}
	}
}

// FuzzWithoutOurs: of whatever header a sender signs, another reader finds nothing that
// only we may say, and all else is there as it was.
func FuzzWithoutOurs(f *testing.F) {
	f.Add("Authentication-Results: mx.b.example; smime=pass\r\nSubject: x\r\n")
	f.Add("authentication-RESULTS :\r\n\tmx.b.example\r\n (c)\r\nPostern-x: y\nFrom: a@b\n")
	f.Add("Return-Path\t:<>\r\nX: \xff\r\n Postern-Verified: folded\r\n")
	f.Add("X: y\vAuthentication-Results: a\u0085Return-Path: b\u2028Postern-x: c\x1cDelivered-To: d\n\n")
	f.Fuzz(func(t *testing.T, raw string) {
		h, err := mime.ReadHeader(bufioReader(raw), mime.Limits{})
		if err != nil {
			return
		}
		kept, removed := withoutOurs(h)
		if len(kept.Fields())+removed != len(h.Fields()) {
			t.Fatalf("%d of %d fields are kept and %d removed", len(kept.Fields()), len(h.Fields()), removed)
		}
		var b strings.Builder
		_, err = kept.WriteTo(&b)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\r\n") {
			if strings.ContainsAny(line, "\n\r") {
				t.Errorf("%q is a line", line)
			}
		}
		for _, line := range strings.FieldsFunc(b.String(), func(r rune) bool { return unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029' }) {
			name, _, _ := strings.Cut(line, ":")
			if saysOurs(strings.TrimRight(name, " \t")) {
				t.Errorf("%q is left in %q, to some", name, b.String())
			}
		}
		m, err := mail.ReadMessage(strings.NewReader(b.String()))
		if err != nil {
			return // of another reader's own rules
		}
		for name := range m.Header {
			if saysOurs(strings.TrimSpace(name)) {
				t.Errorf("%q is left in %q", name, b.String())
			}
		}
	})
}
