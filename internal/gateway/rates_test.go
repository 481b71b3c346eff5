package gateway

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/smtp"
	"postern/store"
)

// rated is a site with bounds, and what sends from an account there.
func rated(t *testing.T, r Rates) (*world, *site, func(to ...string) string) {
	t.Helper()
	w := newWorld(t)
	s := w.site("a.example")
	s.accounts("alice@a.example", "carol@a.example")
	s.Core.rates = newRates(r)
	send := func(to ...string) string {
		t.Helper()
		sub, from := Submission{s.Core}, addr(t, "alice@a.example")
		e := smtp.Envelope{Account: from, Proof: s.proof(from), From: from}
		err := sub.Ready(t.Context(), e)
		if err != nil {
			return reasonOf(err)
		}
		e.To = addrs(t, to...)
		_, err = sub.Accept(t.Context(), e, strings.NewReader(string(crlf(message("alice@a.example", to[0])))))
		return reasonOf(err)
	}
	return w, s, send
}

func TestAccountMessagesAnHour(t *testing.T) {
	w, s, send := rated(t, Rates{AccountMessages: 3})
	for range 3 {
		equal(t, "a message", send("bob@b.example"), "ok")
	}
	equal(t, "one more", send("bob@b.example"), "rate-limited")
	other := addr(t, "carol@a.example")
	equal(t, "of another account", reasonOf(Submission{s.Core}.Ready(t.Context(), smtp.Envelope{Account: other, From: other})), "ok")
	w.clock.advance(20 * time.Minute)
	equal(t, "later", send("bob@b.example"), "ok")
	equal(t, "and more", send("bob@b.example"), "rate-limited")
	equal(t, "counted", s.limited.messages.Load(), 2)
	equal(t, "jobs", len(s.jobs()), 4)
}

// A message is taken whole, and what it has too many is owed.
func TestAccountRecipientsAnHour(t *testing.T) {
	w, _, send := rated(t, Rates{AccountRecipients: 6})
	five := []string{"1@b.example", "2@b.example", "3@b.example", "4@b.example", "5@b.example"}
	equal(t, "five of six", send(five...), "ok")
	equal(t, "ten of six", send(five...), "ok")
	equal(t, "in debt", send("bob@b.example"), "rate-limited")
	w.clock.advance(40 * time.Minute)
	equal(t, "out of debt", send("bob@b.example"), "rate-limited")
	w.clock.advance(10 * time.Minute)
	equal(t, "one earned", send("bob@b.example"), "ok")
}

func TestPeerMessagesAMinute(t *testing.T) {
	w, s, _ := rated(t, Rates{PeerMessages: 2})
	take := func(from string) string {
		t.Helper()
		b, e := Backbone{s.Core}, smtp.Envelope{Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 1)}
		err := b.Ready(t.Context(), e)
		if err == nil {
			e.To = addrs(t, "alice@a.example")
			_, err = b.Accept(t.Context(), e, strings.NewReader("Subject: x\r\n\r\nx\r\n"))
		}
		return reasonOf(err)
	}
	for _, from := range []string{"2001:db8::1", "2001:db8::2"} {
		equal(t, from, take(from), "ok")
	}
	equal(t, "one more of that network", take("2001:db8::3"), "rate-limited")
	equal(t, "another", take("192.0.2.1"), "ok")
	w.clock.advance(30 * time.Second)
	equal(t, "later", take("2001:db8::1"), "ok")
	equal(t, "and more", take("2001:db8::1"), "rate-limited")
	equal(t, "counted", s.limited.peers.Load(), 2)
}

// Setting the clock earns nobody anything: what counts is the time that passed.
func TestRatesGoByTheSteadyClock(t *testing.T) {
	w, s, send := rated(t, Rates{AccountMessages: 1})
	steady := w.clock.Now()
	s.Steady = func() time.Time { return steady }
	equal(t, "one", send("bob@b.example"), "ok")
	w.clock.advance(48 * time.Hour)
	equal(t, "after a step", send("bob@b.example"), "rate-limited")
	w.clock.advance(-96 * time.Hour)
	equal(t, "after a step back", send("bob@b.example"), "rate-limited")
	steady = steady.Add(time.Hour)
	equal(t, "an hour later", send("bob@b.example"), "ok")
}

// Where the disk gets short nothing new is begun, and what is under way ends.
func TestNothingIsTakenWithoutRoom(t *testing.T) {
	_, s, send := rated(t, Rates{})
	text := string(crlf(message("alice@a.example", "bob@b.example")))
	free := func(bytes int64) {
		s.Care.DiskSpace = func() (store.Space, error) { return store.Space{Free: bytes}, nil }
		s.Care.Look()
	}
	s.Care.DiskReserve = 1 << 40
	free(0)
	equal(t, "submission", send("bob@b.example"), "storage-full")
	b := Backbone{s.Core}
	e := smtp.Envelope{To: addrs(t, "alice@a.example")}
	equal(t, "MAIL at the backbone", reasonOf(b.Ready(t.Context(), e)), "storage-full")
	_, err := b.Accept(t.Context(), e, strings.NewReader(text))
	equal(t, "backbone", reasonOf(err), "storage-full")
	free(2 << 40)
	shrinking := io.MultiReader(strings.NewReader(text), readerFunc(func([]byte) (int, error) {
		free(0)
		return 1, nil
	}))
	_, err = b.Accept(t.Context(), e, shrinking)
	equal(t, "in the midst of a message", reasonOf(err), "storage-full")
	equal(t, "jobs", len(s.jobs()), 0)
	equal(t, "counted", s.limited.room.Load() >= 4, true)
	free(2 << 40)
	equal(t, "later", send("bob@b.example"), "ok")
}
