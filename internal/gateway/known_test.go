package gateway

import (
	"fmt"
	"net/netip"
	"testing"
)

// Who gave a right password has his turns by his account for a week, and then by his
// network as everybody else.
func TestKnownForAWeek(t *testing.T) {
	w, s := guessing(t)
	turn := func(account, from string) string {
		ip := netip.MustParseAddr(from)
		c := s.wrong.turn(s.Steady(), guesserOf(account, ip), ip)
		return c.Network.String() + " " + c.Account
	}
	const stranger, alice = "192.0.2.0/24 ", "192.0.2.0/24 alice@a.example"
	equal(t, "before", turn("alice@a.example", "192.0.2.1"), stranger)
	equal(t, "a login", s.login("alice@a.example", rightSecret, "192.0.2.1"), "ok")
	equal(t, "a wrong one", s.login("carol@a.example", "x", "192.0.2.1"), "auth-failed")
	equal(t, "after it", turn("Alice@A.example", "192.0.2.1"), alice)
	equal(t, "another account", turn("carol@a.example", "192.0.2.1"), stranger)
	equal(t, "another address", turn("alice@a.example", "192.0.2.2"), stranger)
	w.clock.advance(knownFor - 1)
	equal(t, "for a week", turn("alice@a.example", "192.0.2.1"), alice)
	w.clock.advance(1)
	equal(t, "after a week", turn("alice@a.example", "192.0.2.1"), stranger)
	equal(t, "a login again", s.login("alice@a.example", rightSecret, "192.0.2.1"), "ok")
	equal(t, "after that", turn("alice@a.example", "192.0.2.1"), alice)
}

// Those that are remembered are bounded, and the one whose login is the oldest makes
// room for another.
func TestTheOldestIsForgotten(t *testing.T) {
	w := newWorld(t)
	var k known
	who := func(i int) guesser { return guesser{account: fmt.Sprint(i)} }
	for i := range maxKnown {
		k.add(w.clock.Now(), who(i))
	}
	k.add(w.clock.Now(), who(0))
	k.add(w.clock.Now(), who(maxKnown))
	for i, want := range map[int]bool{0: true, 1: false, 2: true, maxKnown: true} {
		equal(t, fmt.Sprint(i), k.has(w.clock.Now(), who(i)), want)
	}
	equal(t, "remembered", len(k.all), maxKnown)
	equal(t, "in order", k.order.Len(), maxKnown)
}
