package gateway

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"postern/internal/admit"
	"postern/smtp"
	"postern/trust/reason"
)

// Rates bounds how much mail may come from one; zero is no bound. After silence an
// hour's or a minute's worth may come at once. A message that was let in is taken
// whole: what it goes beyond a bound is owed.
type Rates struct {
	AccountMessages, AccountRecipients int // an hour of one account
	PeerMessages                       int // a minute of one client of the backbone
}

// rates count by Steady: setting the clock earns nothing.
type rates struct {
	messages, recipients admit.Meter[string] // by Address.Key
	peers                admit.Meter[netip.Prefix]
	networks             admit.Meter[string]
}

func newRates(r Rates) *rates {
	return &rates{
		messages:   admit.Meter[string]{Burst: r.AccountMessages, Per: time.Hour},
		recipients: admit.Meter[string]{Burst: r.AccountRecipients, Per: time.Hour},
		peers:      admit.Meter[netip.Prefix]{Burst: r.PeerMessages, Per: time.Minute},
		networks:   admit.Meter[string]{Burst: networkMinutes * r.PeerMessages, Per: 24 * time.Hour},
	}
}

// limited counts what was put off by which limit, for the metrics.
type limited struct {
	passwords, messages, recipients, peers, networks, unopened, room atomic.Uint64
}

// Ready lets a message of an account begin, if it has not sent too many and there
// is room for one.
func (s Submission) Ready(ctx context.Context, e smtp.Envelope) error {
	now, account := s.Steady(), e.Account.Key()
	if !s.rates.messages.Allows(now, account) {
		s.limited.messages.Add(1)
		return reason.New(reason.RateLimited, "limits.account_messages of %s", e.Account)
	}
	if !s.rates.recipients.Allows(now, account) {
		s.limited.recipients.Add(1)
		return reason.New(reason.RateLimited, "limits.account_recipients of %s", e.Account)
	}
	return s.mayTake(ctx, e)
}

// begin counts a message whose transfer begins, and asks for room once more: the
// client may have taken its time since Ready.
func (s Submission) begin(ctx context.Context, e smtp.Envelope) error {
	now, account := s.Steady(), e.Account.Key()
	s.rates.messages.Count(now, 1, account)
	s.rates.recipients.Count(now, len(e.To), account)
	return s.mayTake(ctx, e)
}

// Ready lets a message of another agent begin.
func (b Backbone) Ready(ctx context.Context, e smtp.Envelope) error {
	peer := admit.Client(e.Remote.Addr())
	if !b.rates.peers.Allows(b.Steady(), peer) {
		b.limited.peers.Add(1)
		return reason.New(reason.RateLimited, "limits.peer_messages of %s", peer)
	}
	err := b.networkRoom(ctx, e)
	if err != nil {
		return err
	}
	return b.mayTake(ctx, e)
}

func (b Backbone) begin(ctx context.Context, e smtp.Envelope) error {
	b.rates.peers.Count(b.Steady(), 1, admit.Client(e.Remote.Addr()))
	b.rates.networks.Count(b.Steady(), 1, networkOf(e))
	return b.mayTake(ctx, e)
}
