package gateway

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/store"
)

// AS-66: whatever is refused is met with silence, and an operator can see why.
func TestAS66_RefusalIsSilence(t *testing.T) {
	usual := message("alice@a.example", "bob@b.example")
	for name, tt := range map[string]struct {
		make func(w *world, b *site) []byte
		want string
	}{
		"untrusted": {func(w *world, b *site) []byte {
			return peer{t: w.t, at: w.clock, id: w.pki.Root("other").Leaf("a.example")}.seal(usual, b, "bob@b.example")
		}, "untrusted-anchor"},
		"expired": {func(w *world, b *site) []byte {
			return peer{t: w.t, at: w.clock, id: w.root.Leaf("a.example", testnet.Valid(-2*time.Hour, -time.Hour))}.seal(usual, b, "bob@b.example")
		}, "expired"},
		"another sender": {func(w *world, b *site) []byte {
			return peer{t: w.t, at: w.clock, id: w.root.Leaf("m.example")}.seal(usual, b, "bob@b.example")
		}, "sender-mismatch"},
		"another recipient": {func(w *world, b *site) []byte {
			return peer{t: w.t, at: w.clock, id: w.root.Leaf("a.example")}.seal(message("alice@a.example", "ben@b.example"), b, "bob@b.example")
		}, "tampered-routing"},
		"in clear": {func(*world, *site) []byte { return crlf(usual) }, "not-encrypted"},
		"rubbish":  {func(*world, *site) []byte { return []byte("rubbish") }, "malformed"},
		"for a key that is not here": {func(w *world, b *site) []byte {
			c := w.site("c.example")
			return peer{t: w.t, at: w.clock, id: w.root.Leaf("a.example")}.seal(usual, c, "bob@c.example")
		}, "undecryptable"},
		"with a broken wrapper": {func(w *world, b *site) []byte {
			broken := "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" +
				base64.StdEncoding.EncodeToString(crlf(usual)) + "\n!!\n=====\n"
			return peer{t: w.t, at: w.clock, id: w.root.Leaf("a.example")}.entity("From: x@x.example\n", broken, b, "bob@b.example")
		}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			w.site("a.example").accounts("alice@a.example")
			b.accounts("bob@b.example")
			raw := tt.make(w, b)
			id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
			b.run()
			equal(t, "state", b.states(id), []string{"bob@b.example refused " + tt.want})
			equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 0)
			sent, _ := b.taken()
			equal(t, "sent", len(sent), 0)
			kept := b.jobs()
			if tt.want == "not-encrypted" {
				equal(t, "kept", len(kept), 0)
				return
			}
			if len(kept) != 1 || kept[0].Kind != store.KeptJob || kept[0].Reason != tt.want {
				t.Fatalf("jobs %+v", kept)
			}
			equal(t, "the sealed original", b.body(kept[0].Body), string(raw))
			w.clock.advance(b.Care.KeepRefused - time.Second)
			b.run()
			equal(t, "kept", len(b.jobs()), 1)
			w.clock.advance(time.Second)
			b.run()
			equal(t, "kept", len(b.jobs()), 0)
			equal(t, "state", b.states(id), []string{"bob@b.example refused " + tt.want})
			report, err := b.Store.Check(t.Context())
			if err != nil || report.Bodies != 0 || len(report.Problems) > 0 {
				t.Errorf("what is left: %+v, %v", report, err)
			}
		})
	}
}

// AS-60, AS-62: of two domains of ours, one trusts the sender and one does not.
func TestAS60_TwoLocalDomainsJudgeEachForItself(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.bare("b.example", "c.example")
	b.addKey("b.example", w.root.Leaf("b.example"))
	b.addKey("c.example", w.root.Leaf("c.example"))
	b.trust("b.example", store.Both, w.root)
	b.trust("c.example", store.Out, w.root) // it sends there, and believes nobody
	a.accounts("alice@a.example")
	b.accounts("bob@b.example", "carol@c.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example>, <carol@c.example"), b, "bob@b.example", "carol@c.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example", "carol@c.example")...)
	b.run()
	equal(t, "states", b.states(id), []string{"bob@b.example delivered", "carol@c.example refused no-anchors"})
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	equal(t, "carol's INBOX", len(b.inbox("carol@c.example")), 0)
	sent, _ := b.taken()
	equal(t, "answers", len(sent), 1)
	equal(t, "from", sent[0].From, addr(t, "bob@b.example"))
	kept := b.jobs(store.KeptJob)
	equal(t, "kept", len(kept), 1)
	equal(t, "for", kept[0].Recipients, addrs(t, "carol@c.example"))
}

// A message that was encrypted to one domain is not opened for another that
// somebody put beside it into the envelope.
func TestAS62_OpenedWithTheRecipientsOwnKeys(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example", "c.example")
	b.accounts("bob@b.example", "mallory@c.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	b.AcceptUnwrapped = true
	outer := "From: alice@a.example\nTo: bob@b.example\nMessage-ID: <m1@a.example>\nMIME-Version: 1.0\n"
	raw := alice.entity(outer, "Content-Type: text/plain\n\n"+canary+"\n", b, "bob@b.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example", "mallory@c.example")...)
	b.run()
	equal(t, "states", b.states(id), []string{"bob@b.example delivered", "mallory@c.example refused undecryptable"})
	equal(t, "mallory's INBOX", len(b.inbox("mallory@c.example")), 0)
}

// AS-54: the track bears the Message-ID that was signed.
func TestAS54_TrackHasTheSignedMessageID(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	raw = []byte(strings.Replace(string(raw), "<m1@a.example>", "<x@outer.example>", 1))
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	equal(t, "before", len(b.tracksOf("<x@outer.example>")), 1)
	b.run()
	equal(t, "outer", len(b.tracksOf("<x@outer.example>")), 0)
	equal(t, "inner", b.tracksOf("<m1@a.example>")[0].ID, id)
}

// Ground rule 3: what the backbone answers depends on the envelope alone.
func TestBackboneAnswersByTheEnvelope(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example", "off@b.example")
	b.disable("off@b.example")
	for to, want := range map[string]string{
		"bob@b.example":          "",
		"BOB@B.example":          "",
		"off@b.example":          "recipient-disabled",
		"nobody@b.example":       "unknown-recipient",
		"bob@c.example":          "not-our-domain",
		"bob@x.b.example":        "not-our-domain",
		"bob%c@b.example":        "unknown-recipient",
		"postmaster@example.com": "not-our-domain",
	} {
		err := Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, to))
		got := ""
		if err != nil {
			got = reasonOf(err)
		}
		equal(t, to, got, want)
	}
}
