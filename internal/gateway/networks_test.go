package gateway

import (
	"net/netip"
	"strings"
	"testing"

	"postern/smtp"
)

// arrivals takes messages of a kibibyte from addresses.
func arrivals(t *testing.T, s *site) func(from string) string {
	s.accounts("bob@b.example")
	text := "Subject: x\r\n\r\n" + strings.Repeat("x", 62) + "\r\n" + strings.Repeat(strings.Repeat("x", 62)+"\r\n", 15)
	return func(from string) string {
		t.Helper()
		b, e := Backbone{s.Core}, smtp.Envelope{Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 1)}
		err := b.Ready(t.Context(), e)
		if err == nil {
			e.To = addrs(t, "bob@b.example")
			_, err = b.Accept(t.Context(), e, strings.NewReader(text))
		}
		return reasonOf(err)
	}
}

// A network that fills the queue waits outside, and nobody else does.
func TestOneNetworkDoesNotFillTheQueue(t *testing.T) {
	w := newWorld(t)
	s := w.site("b.example")
	take := arrivals(t, s)
	s.QueueBytes = 4 * 5 << 10
	for _, from := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"} {
		equal(t, from, take(from), "ok")
	}
	equal(t, "one more", take("192.0.2.6"), "rate-limited")
	equal(t, "another network", take("198.51.100.1"), "ok")
	equal(t, "counted", s.limited.unopened.Load(), 1)
	s.run()
	w.clock.advance(recountEvery)
	equal(t, "when these are opened", take("192.0.2.6"), "ok")
}

// What comes between two counts is counted too.
func TestUnopenedBetweenTwoCounts(t *testing.T) {
	s := newWorld(t).site("b.example")
	take := arrivals(t, s)
	s.QueueBytes = 4 * 5 << 10
	for range 3 {
		equal(t, "of a first network", take("198.51.100.1"), "ok")
		equal(t, "of a second", take("203.0.113.1"), "ok")
	}
	taken := 0
	for range 10 {
		if take("192.0.2.1") == "ok" {
			taken++
		}
	}
	if taken > 6 {
		t.Errorf("%d were taken of a network that may have five waiting", taken)
	}
}

func TestOneNetworkADay(t *testing.T) {
	w := newWorld(t)
	s := w.site("b.example")
	take := arrivals(t, s)
	s.Core.rates = newRates(Rates{PeerMessages: 100})
	s.Core.rates.networks.Burst = 3
	for _, from := range []string{"2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"} {
		equal(t, from, take(from), "ok")
	}
	equal(t, "a fourth address of the site", take("2001:db8:0:3::1"), "rate-limited")
	equal(t, "another site", take("2001:db8:1::1"), "ok")
	w.clock.advance(8 * 3600e9)
	equal(t, "later", take("2001:db8:0:3::1"), "ok")
}
