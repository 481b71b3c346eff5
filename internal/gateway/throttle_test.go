package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/admit"
	"postern/internal/audit"
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
		s.wrong.wrong(now, guesser{admit.Client(from), fmt.Sprint(i)})
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
		s.wrong.wrong(w.clock.Now(), alice)
		w.clock.advance(10 * time.Second)
	}
	equal(t, "another", s.login("carol@a.example", rightSecret, "192.0.2.1"), "ok")
}

// EP-6: passwords that come all at once, over whatever listener, are looked at as often as
// if they came one after another; and of right ones none is turned away.
func TestEP6_PasswordsAllAtOnce(t *testing.T) {
	const n = 40
	_, s := guessing(t)
	services := []login.Service{login.SMTP, login.IMAP, login.POP3}
	atOnce := func(user, from string, secret func(i int) string) map[string]int {
		var mu sync.Mutex
		got := make(map[string]int)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				a := login.Attempt{Client: clientAt(services[i%len(services)], from), User: user, Secret: secret(i)}
				if i%4 == 3 {
					a.Method, a.Secret = login.Scram, "" // a proof that was wrong
					if secret(i) == rightSecret {
						a.Method, a.Secret = login.Password, rightSecret
					}
				}
				_, err := s.Login(t.Context(), a)
				mu.Lock()
				defer mu.Unlock()
				got[reasonOf(err)]++
			})
		}
		all.Wait()
		return got
	}
	wrong := func(i int) string { return fmt.Sprint("wrong ", i) }
	equal(t, "wrong ones", atOnce("alice@a.example", "192.0.2.1", wrong), map[string]int{"auth-failed": guessesPerAccount, "busy": n - guessesPerAccount})
	equal(t, "the right one behind them", s.login("alice@a.example", rightSecret, "192.0.2.1"), "busy")
	equal(t, "right ones", atOnce("carol@a.example", "192.0.2.1", func(int) string { return rightSecret }), map[string]int{"ok": n})
	failed := 0
	for _, r := range s.trail() {
		if strings.Contains(r, string(audit.LoginWrong)) {
			failed++
		}
	}
	equal(t, "recorded", failed, guessesPerAccount)
}

// Guesses at many accounts from one address that come all at once are looked at as often
// as one after another. Who is right beside them is heard when they are decided, unless
// they were all wrong.
func TestGuessesFromOneAddressAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		throttle := newThrottle()
		from := admit.Client(netip.MustParseAddr("192.0.2.1"))
		at := func(n int, was judgement) (let int) {
			var mu sync.Mutex
			var all sync.WaitGroup
			for i := range n {
				all.Go(func() {
					g, ok := throttle.take(t.Context(), time.Now, guesser{from, fmt.Sprintf("%d %d", was, i)})
					if !ok {
						return
					}
					mu.Lock()
					let++
					mu.Unlock()
					time.Sleep(time.Second)
					throttle.end(time.Now(), g, was)
				})
			}
			all.Wait()
			return let
		}
		equal(t, "right", at(300, rightGuess), 300)
		equal(t, "not looked at", at(300, unjudged), 300)
		let := at(300, wrongGuess)
		if let < guessesPerAddress || let > guessesPerAddress+1 { // a second goes by
			t.Errorf("%d wrong ones were let in", let)
		}
		equal(t, "known", at(10, rightGuess), 10)
		equal(t, "not known", at(10, unjudged), 0)
		if len(throttle.ofGuesser)+len(throttle.ofAddress) > 0 {
			t.Errorf("it remembers %v, %v", throttle.ofGuesser, throttle.ofAddress)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.Sleep(guessesPerAddress * guessAgainAddress)
		var held []guess
		for i := range guessesPerAddress {
			g, _ := throttle.take(ctx, time.Now, guesser{from, fmt.Sprint("held ", i)})
			held = append(held, g)
		}
		time.AfterFunc(time.Minute, cancel)
		began := time.Now()
		_, ok := throttle.take(ctx, func() time.Time { return began }, guesser{from, "x"})
		equal(t, "who has gone", ok, false)
		equal(t, "waited", time.Since(began), time.Minute)
		for _, g := range held {
			throttle.end(time.Now(), g, rightGuess)
		}
	})
}
