package gateway

import (
	"net/netip"
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

// A throttle remembers wrong passwords, and who gave a right one. Use newThrottle.
type throttle struct {
	accounts  admit.Meter[guesser]
	addresses admit.Meter[netip.Prefix]
	known     known
}

func newThrottle() *throttle {
	return &throttle{
		accounts:  admit.Meter[guesser]{Burst: guessesPerAccount, Per: guessesPerAccount * guessAgainAccount},
		addresses: admit.Meter[netip.Prefix]{Burst: guessesPerAddress, Per: guessesPerAddress * guessAgainAddress},
	}
}

// allows reports whether a guesser may try a password. What others at its address do
// does not count against one that is known.
func (t *throttle) allows(now time.Time, who guesser) bool {
	if who.account == "" {
		return t.addresses.Allows(now, who.from)
	}
	return t.accounts.Allows(now, who) && (t.known.has(now, who) || t.addresses.Allows(now, who.from))
}

// failed counts a wrong password. Guesses that were under way at once are owed.
func (t *throttle) failed(now time.Time, who guesser) {
	t.addresses.Count(now, 1, who.from)
	if who.account != "" {
		t.accounts.Count(now, 1, who)
	}
}

// knew drops the guesses for an account of somebody who knew its password, and
// remembers him.
func (t *throttle) knew(now time.Time, who guesser) {
	t.accounts.Forget(who)
	t.known.add(now, who)
}

// turn is how a guesser waits for a check.
func (t *throttle) turn(now time.Time, who guesser, remote netip.Addr) password.Client {
	turn := password.Client{Network: admit.Network(remote)}
	if t.known.has(now, who) {
		turn.Account = who.account
	}
	return turn
}
