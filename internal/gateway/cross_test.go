package gateway

import (
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// A record crosses, is answered, and every track says so (AS-85, AS-87).
func TestAS85_RecordCrossesAndIsAnswered(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	text := message("alice@a.example", "bob@b.example")
	id := a.submit(text, "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "state after the relay", a.states(id), []string{"bob@b.example relayed"})
	w.runAll()

	equal(t, "bob's INBOX", asSigned(t, b.inbox("bob@b.example")[0]), string(crlf(text)))
	equal(t, "state after the MDN", a.states(id), []string{"bob@b.example processed"})
	answers := a.inbox("alice@a.example")
	if len(answers) != 1 {
		t.Fatalf("alice has %d messages", len(answers))
	}
	n := parseMDN(t, answers[0])
	equal(t, "disposition", n.Disposition, mdn.Processed)
	equal(t, "From", n.From.String(), "bob@b.example") // AS-93
	equal(t, "Original-Message-ID", n.OriginalMessageID, "<m1@a.example>")
	if strings.Contains(answers[0], "CANARY") {
		t.Error("the notification quotes the message")
	}
	for _, s := range []*site{a, b} {
		equal(t, "jobs left", len(s.jobs()), 0)
		for _, line := range strings.Split(s.log.String(), "\n") {
			noCanary(t, "the log", line)
		}
	}
}

// AS-42, AS-44, AS-52: what goes out names this copy's recipients and no more.
func TestAS52_OuterHeaderIsMinimal(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	b, c := w.site("b.example"), w.site("c.example")
	a.accounts("alice@a.example")
	text := message("alice@a.example", "bob@b.example", "Cc: Carol <carol@c.example>", "Comments: "+canary)
	a.submit(text, "alice@a.example", "bob@b.example", "carol@c.example")
	a.run()
	sent, raw := a.taken()
	equal(t, "copies", len(sent), 2)
	for i, d := range sent {
		h := headerOf(t, string(raw[i]))
		var names []string
		for _, f := range h.Fields() {
			names = append(names, f.Name)
		}
		equal(t, "fields", names, []string{"From", "To", "Date", "Message-ID", "MIME-Version",
			"Content-Type", "Content-Disposition", "Content-Transfer-Encoding"})
		equal(t, "To", h.Get("To"), d.To[0].String())
		equal(t, "From", h.Get("From"), "alice@a.example")
		noCanary(t, "the sealed message", string(raw[i]))
		far := map[mime.Domain]*site{"b.example": b, "c.example": c}[d.Destination]
		if strings.Contains(string(raw[i]), "Alice") || far == nil {
			t.Errorf("a display name, or a wrong destination %s", d.Destination)
		}
	}
}

// CP-21: a recipient of ours meets every check, and neither DNS nor SMTP.
func TestCP21_LocalRecipientStaysInside(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example", "b.example")
	a.Finder, a.Sender = nil, nil // any use would panic
	a.accounts("alice@a.example", "bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "bob's INBOX", len(a.inbox("bob@b.example")), 1)
	equal(t, "state", a.states(id), []string{"bob@b.example processed"})
	equal(t, "alice's INBOX", len(a.inbox("alice@a.example")), 1)
	parseMDN(t, a.inbox("alice@a.example")[0])
}

// CP-21, AS-61: our own domains trust each other by anchors alone.
func TestCP21_LocalRecipientIsNotTrustedForBeingLocal(t *testing.T) {
	w := newWorld(t)
	a := w.bare("a.example", "b.example")
	other := w.pki.Root("other")
	a.addKey("a.example", w.root.Leaf("a.example"))
	a.addKey("b.example", other.Leaf("b.example"))
	a.trust("a.example", store.Both, other) // b does not trust a
	a.trust("b.example", store.Both, other)
	a.accounts("alice@a.example", "bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "bob's INBOX", len(a.inbox("bob@b.example")), 0)
	equal(t, "alice's INBOX", len(a.inbox("alice@a.example")), 0)
	for _, track := range a.tracksOf("<m1@a.example>") {
		if !track.Outbound {
			equal(t, "state within", a.states(track.ID), []string{"bob@b.example refused untrusted-anchor"})
		}
	}
}

// RFC 1047: a sender that lost our 250 sends its message again; it is delivered
// once and answered again. Another content under the same Message-ID is another
// message.
func TestSameMessageComesAgain(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	text := message("alice@a.example", "bob@b.example")
	a.submit(text, "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	again := func() {
		b.receive(raw[0], sent[0].From, sent[0].To...)
		b.run()
	}
	again()
	again()
	equal(t, "bob's INBOX after the same message again", len(b.inbox("bob@b.example")), 1)
	answers, _ := b.taken()
	equal(t, "answers", len(answers), 2)

	a.submit(text+"And one line more.\n", "alice@a.example", "bob@b.example")
	w.runAll()
	equal(t, "bob's INBOX after another message of the same name", len(b.inbox("bob@b.example")), 2)

	w.clock.advance(b.Care.KeepDuplicates + time.Hour)
	again()
	equal(t, "bob's INBOX after the window", len(b.inbox("bob@b.example")), 3)
}

// Duplicates are known for their own time, whatever becomes of the tracks.
func TestPrunedTracksLoseNoDuplicates(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	b.Care.KeepTracks, b.Care.KeepDuplicates = 24*time.Hour, 72*time.Hour
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	for _, tt := range []struct {
		wait      time.Duration
		delivered int
	}{{0, 1}, {48 * time.Hour, 1}, {73 * time.Hour, 2}} {
		w.clock.advance(tt.wait)
		b.Care.Tidy(t.Context())
		b.receive(raw[0], sent[0].From, sent[0].To...)
		b.run()
		equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), tt.delivered)
	}
}
