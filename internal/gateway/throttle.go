package gateway

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"postern/internal/admit"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// How many wrong passwords may come before the next is not even looked at, and
// after what time one more may. A client with an old password, which tries every
// minute for ever, must not keep out the others at its address: so an address has
// more than an account at that address.
const (
	guessesPerAccount = 5
	guessAgainAccount = time.Minute
	guessesPerAddress = 50
	guessAgainAddress = 10 * time.Second
	// maxGuessers bounds what is remembered; who came longest ago goes first.
	maxGuessers = 20_000
)

// A guesser is a client's address, alone or with the account it tries. There is
// none for an account alone: anyone could lock out its owner by it.
type guesser struct {
	from    netip.Prefix
	account string // Address.Key, or "" for all together
}

func (g guesser) budget() (burst float64, again time.Duration) {
	if g.account == "" {
		return guessesPerAddress, guessAgainAddress
	}
	return guessesPerAccount, guessAgainAccount
}

// A throttle remembers wrong passwords. The zero throttle is ready for use.
type throttle struct {
	mu    sync.Mutex
	known map[guesser]*list.Element
	order list.List // of *guesses, the latest first
}

// guesses is what a guesser has left. It may be in debt, by guesses that were
// under way at once.
type guesses struct {
	who  guesser
	left float64
	at   time.Time
}

// refill gives back what the time since has earned.
func (g *guesses) refill(now time.Time) {
	burst, again := g.who.budget()
	g.left = min(burst, g.left+max(0, now.Sub(g.at).Seconds()/again.Seconds()))
	g.at = now
}

// allows reports whether all of the guessers may try a password.
func (t *throttle) allows(now time.Time, all ...guesser) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, who := range all {
		e, ok := t.known[who]
		if !ok {
			continue
		}
		g := e.Value.(*guesses)
		g.refill(now)
		if g.left < 1 {
			return false
		}
	}
	return true
}

// failed counts a wrong password.
func (t *throttle) failed(now time.Time, all ...guesser) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, who := range all {
		burst, _ := who.budget()
		g := t.entry(who, burst, now)
		g.refill(now)
		g.left = max(g.left-1, -burst)
	}
}

func (t *throttle) entry(who guesser, burst float64, now time.Time) *guesses {
	if t.known == nil {
		t.known = make(map[guesser]*list.Element)
	}
	e, ok := t.known[who]
	if ok {
		t.order.MoveToFront(e)
		return e.Value.(*guesses)
	}
	for t.order.Len() >= maxGuessers {
		last := t.order.Remove(t.order.Back()).(*guesses)
		delete(t.known, last.who)
	}
	g := &guesses{who: who, left: burst, at: now}
	t.known[who] = t.order.PushFront(g)
	return g
}

// forget drops a guesser that knew the password.
func (t *throttle) forget(who guesser) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.known[who]
	if ok {
		t.order.Remove(e)
		delete(t.known, who)
	}
}

// Login is Authenticate for a client at an address. Behind too many wrong
// passwords from there it is Busy without a look at this one, over every
// listener alike; other addresses are not concerned.
func (c *Core) Login(ctx context.Context, user, secret string, remote netip.Addr) (store.Account, error) {
	who := []guesser{{from: admit.Client(remote)}}
	a, err := mime.ParseAddress(user)
	if err == nil {
		who = append(who, guesser{who[0].from, a.Key()})
	}
	if !c.wrong.allows(c.Now(), who...) {
		return store.Account{}, reason.New(reason.Busy, "too many wrong passwords from %s", who[0].from)
	}
	account, err := c.Authenticate(ctx, user, secret)
	switch {
	case reason.Of(err) == reason.AuthFailed:
		c.wrong.failed(c.Now(), who...)
	case err == nil:
		c.wrong.forget(who[1])
	}
	return account, err
}
