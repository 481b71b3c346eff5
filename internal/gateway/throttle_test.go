package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/internal/admit"
	"postern/internal/login"
	"postern/pickup"
	"postern/store"
)

const rightSecret = "correct horse battery"

// guessing is a site with two accounts.
func guessing(t *testing.T) (*world, *site) {
	t.Helper()
	w := newWorld(t)
	s := w.site("a.example")
	hash, err := s.Hasher.Hash(t.Context(), []byte(rightSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alice@a.example", "carol@a.example"} {
		s.update(func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: addr(t, name), Password: hash}) })
	}
	return w, s
}

func (s *site) login(user, secret, from string) string {
	s.t.Helper()
	_, err := Submission{s.Core}.Login(s.t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr(from)}, User: user, Secret: secret})
	return reasonOf(err)
}

// EP-6: an address that guesses one account's password is not listened to for a
// while, and nobody else is the worse for it.
func TestEP6_GuessingOneAccount(t *testing.T) {
	w, s := guessing(t)
	for range guessesPerAccount {
		equal(t, "a guess", s.login("alice@a.example", "x", "192.0.2.1"), "auth-failed")
	}
	equal(t, "one more", s.login("alice@a.example", "x", "192.0.2.1"), "busy")
	equal(t, "by another name", s.login("Alice@A.EXAMPLE", rightSecret, "192.0.2.1"), "busy")
	_, err := pickingUp{s.Core}.Login(t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("::ffff:192.0.2.1")}, User: "alice@a.example", Secret: rightSecret})
	if !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("by IMAP: %v", err)
	}
	equal(t, "the owner elsewhere", s.login("alice@a.example", rightSecret, "192.0.2.2"), "ok")
	equal(t, "a neighbour", s.login("carol@a.example", rightSecret, "192.0.2.1"), "ok")
	w.clock.advance(guessAgainAccount)
	equal(t, "later", s.login("alice@a.example", rightSecret, "192.0.2.1"), "ok")
	for range guessesPerAccount {
		equal(t, "a slip after a success", s.login("alice@a.example", "x", "192.0.2.1"), "auth-failed")
	}
}

func TestEP6_GuessingManyAccounts(t *testing.T) {
	w, s := guessing(t)
	now, from := w.clock.Now(), netip.MustParseAddr("2001:db8::1")
	for i := range guessesPerAddress {
		s.wrong.failed(now, guesser{admit.Client(from), fmt.Sprint(i)})
	}
	equal(t, "one more", s.login("carol@a.example", rightSecret, "2001:db8::2"), "busy")
	equal(t, "no address", s.login("carol", "x", "2001:db8::2"), "busy")
	equal(t, "elsewhere", s.login("carol@a.example", rightSecret, "2001:db8:0:1::1"), "ok")
	w.clock.advance(guessAgainAddress)
	equal(t, "later", s.login("carol@a.example", rightSecret, "2001:db8::2"), "ok")
}

// A client that has an old password and does not give up leaves room for others
// at its address.
func TestEP6_OldPasswordLeavesRoomForOthers(t *testing.T) {
	w, s := guessing(t)
	for range 200 {
		who := admit.Client(netip.MustParseAddr("192.0.2.1"))
		alice := guesser{who, addr(t, "alice@a.example").Key()}
		if s.wrong.allows(w.clock.Now(), alice) {
			s.wrong.failed(w.clock.Now(), alice)
		}
		w.clock.advance(10 * time.Second)
	}
	equal(t, "another", s.login("carol@a.example", rightSecret, "192.0.2.1"), "ok")
}
