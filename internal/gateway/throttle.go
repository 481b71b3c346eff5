package gateway

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"postern/internal/admit"
	"postern/internal/password"
	"postern/mime"
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
)

// A guesser is a client's address with the account it tries. There is none for an
// account alone: anyone could lock out its owner by it.
type guesser struct {
	from    netip.Prefix
	account string // Address.Key
}

// guesserOf leaves out an account that is no address.
func guesserOf(user string, remote netip.Addr) guesser {
	who := guesser{from: admit.Client(remote)}
	a, err := mime.ParseAddress(user)
	if err == nil {
		who.account = a.Key()
	}
	return who
}

// A throttle remembers wrong passwords, and who gave a right one. A guess is counted when
// it is let in and before it is looked at, so that of those that come all at once no more
// are looked at than of those that come one after another; a right one is given back. Use
// newThrottle.
type throttle struct {
	known known

	mu        sync.Mutex
	accounts  admit.Meter[guesser]
	addresses admit.Meter[netip.Prefix]
	// What is being looked at and counts, of a guesser and of an address.
	ofGuesser map[guesser]int
	ofAddress map[netip.Prefix]int
	decided   chan struct{} // closed when one of them is decided
}

func newThrottle() *throttle {
	return &throttle{
		accounts:  admit.Meter[guesser]{Burst: guessesPerAccount, Per: guessesPerAccount * guessAgainAccount},
		addresses: admit.Meter[netip.Prefix]{Burst: guessesPerAddress, Per: guessesPerAddress * guessAgainAddress},
		ofGuesser: make(map[guesser]int), ofAddress: make(map[netip.Prefix]int),
		decided: make(chan struct{}),
	}
}

// A guess is a password that is looked at.
type guess struct {
	who guesser
	// known: what others at its address do does not count against it, nor it for them
	// while it is not wrong.
	known bool
}

// take lets a guess in. Where only those that are looked at at the moment leave no room,
// it waits for what becomes of them: most are right.
func (t *throttle) take(ctx context.Context, clock func() time.Time, who guesser) (guess, bool) {
	for {
		g, ok, wait := t.try(clock(), who)
		if ok || wait == nil {
			return g, ok
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return g, false
		}
	}
}

// try lets a guess in, or returns what it has to wait for; nil is too long.
func (t *throttle) try(now time.Time, who guesser) (g guess, ok bool, wait <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g = guess{who, who.account != "" && t.known.has(now, who)}
	account := who.account == "" || t.accounts.Allows(now, who)
	address := g.known || t.addresses.Allows(now, who.from)
	switch {
	case !account && t.ofGuesser[who] == 0, !address && t.ofAddress[who.from] == 0:
		return g, false, nil
	case !account || !address:
		return g, false, t.decided
	}
	if who.account != "" {
		t.accounts.Count(now, 1, who)
		t.ofGuesser[who]++
	}
	if !g.known {
		t.addresses.Count(now, 1, who.from)
		t.ofAddress[who.from]++
	}
	return g, true, nil
}

// A judgement is what a guess was.
type judgement int

// Judgements. The zero judgement is none: it could not be looked at.
const (
	unjudged judgement = iota
	wrongGuess
	rightGuess
)

// end decides a guess that was let in. A right one drops those for its account, and is
// remembered.
func (t *throttle) end(now time.Time, g guess, was judgement) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle(now, g, was)
	if g.who.account != "" {
		leave(t.ofGuesser, g.who)
	}
	if !g.known {
		leave(t.ofAddress, g.who.from)
	}
	close(t.decided)
	t.decided = make(chan struct{})
}

func (t *throttle) settle(now time.Time, g guess, was judgement) {
	if was == wrongGuess {
		if g.known {
			t.addresses.Count(now, 1, g.who.from)
		}
		return
	}
	if g.who.account != "" {
		t.accounts.Return(now, g.who)
	}
	if !g.known {
		t.addresses.Return(now, g.who.from)
	}
	if was == rightGuess && g.who.account != "" {
		t.accounts.Forget(g.who)
		t.known.add(now, g.who)
	}
}

func leave[K comparable](of map[K]int, who K) {
	of[who]--
	if of[who] == 0 {
		delete(of, who)
	}
}

// wrong counts what cannot be guessed and was wrong all the same, if there is room for
// that.
func (t *throttle) wrong(now time.Time, who guesser) bool {
	g, ok, _ := t.try(now, who)
	if ok {
		t.end(now, g, wrongGuess)
	}
	return ok
}

// turn is how a guesser waits for a check.
func (t *throttle) turn(now time.Time, who guesser, remote netip.Addr) password.Client {
	turn := password.Client{Network: admit.Network(remote)}
	if t.known.has(now, who) {
		turn.Account = who.account
	}
	return turn
}
