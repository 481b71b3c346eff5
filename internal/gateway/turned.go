package gateway

import (
	"context"
	"slices"
	"strings"
	"time"

	"postern/internal/admit"
	"postern/internal/audit"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// How many envelopes of what was refused have a track, in an hour: of one network
// or account, and of all networks, so that what strangers can make of them is some
// megabytes a day; and how many recipients of one envelope. The log has a line for each
// recipient and message, always.
const (
	turnedOfOne  = 10
	turnedOfAll  = 100
	mostTurnedTo = 5
)

// turned are those that were told of.
type turned struct{ networks, accounts, all admit.Meter[string] }

func newTurned() *turned {
	return &turned{
		networks: admit.Meter[string]{Burst: turnedOfOne, Per: time.Hour},
		accounts: admit.Meter[string]{Burst: turnedOfOne, Per: time.Hour},
		all:      admit.Meter[string]{Burst: turnedOfAll, Per: time.Hour},
	}
}

// allows reports whether one more of a network may have a track.
func (t *turned) allows(now time.Time, network string) bool {
	return t.networks.Take(now, network) && t.all.Take(now, "")
}

// A turning is what was refused of an envelope.
type turning struct {
	envelope  smtp.Envelope
	refused   []smtp.Refusal
	messageID string // "" where it is not known
	when      string // "before its message", or with it
}

const (
	atRcpt = "refused before its message"
	atData = "refused with its message"
)

// Refused gives recipients of ours that cannot take mail a track, for whoever asks why
// they did not get it. It counts as a message of its peer.
func (b Backbone) Refused(ctx context.Context, e smtp.Envelope, refused []smtp.Refusal) {
	now, network := b.Steady(), networkOf(e)
	refused = unserved(refused, isOurs)
	if len(refused) == 0 || !b.turned.allows(now, network) {
		return
	}
	b.rates.peers.Count(now, 1, admit.Client(e.Remote.Addr()))
	b.rates.networks.Count(now, 1, network)
	b.turnAway(ctx, turning{e, refused, "", atRcpt})
}

// refuse gives a message that was refused for good, when it had come, a track for its
// recipients, and returns that; "" where it has none.
func (b Backbone) refuse(ctx context.Context, e smtp.Envelope, messageID string, err error) store.TrackID {
	refused := refusedWith(e, err)
	if len(refused) == 0 || !b.turned.allows(b.Steady(), networkOf(e)) {
		return ""
	}
	return b.turnAway(ctx, turning{e, refused, messageID, atData})
}

// Refused is as that of the Backbone.
func (s Submission) Refused(ctx context.Context, e smtp.Envelope, refused []smtp.Refusal) {
	refused = unserved(refused, isFinal)
	if len(refused) > 0 && s.turned.accounts.Take(s.Steady(), e.Account.Key()) {
		s.turnAway(ctx, turning{e, refused, "", atRcpt})
	}
}

// refuse is as that of the Backbone.
func (s Submission) refuse(ctx context.Context, e smtp.Envelope, messageID string, err error) store.TrackID {
	refused := refusedWith(e, err)
	if len(refused) == 0 || !s.turned.accounts.Take(s.Steady(), e.Account.Key()) {
		return ""
	}
	return s.turnAway(ctx, turning{e, refused, messageID, atData})
}

// refusedWith are the recipients of a message that was refused for good. Over HTTP its
// header names them, and where that cannot be read it was for somebody without a name.
func refusedWith(e smtp.Envelope, err error) []smtp.Refusal {
	var all []smtp.Refusal
	for _, to := range e.To {
		all = append(all, smtp.Refusal{Recipient: to, Err: err})
	}
	if len(all) == 0 {
		all = append(all, smtp.Refusal{Err: err})
	}
	return unserved(all, isFinal)
}

// isOurs reports whether a refusal speaks of an address in a domain of ours.
func isOurs(code reason.Code) bool {
	return code == reason.UnknownRecipient || code == reason.RecipientDisabled
}

// isFinal reports whether a refusal is what became of a message: to send it again, or
// after another login, is in vain.
func isFinal(code reason.Code) bool {
	return !code.IsOK() && !code.Outcome().Retry && code != reason.AuthRequired
}

// unserved are the refusals of a kind, each once, the first few.
func unserved(refused []smtp.Refusal, counts func(reason.Code) bool) []smtp.Refusal {
	var all []smtp.Refusal
	for _, r := range refused {
		code := reason.Of(r.Err)
		known := slices.ContainsFunc(all, func(o smtp.Refusal) bool { return o.Recipient.Same(r.Recipient) })
		if len(all) < mostTurnedTo && !known && counts(code) {
			all = append(all, r)
		}
	}
	return all
}

// turnAway writes the track of what was refused. While there is no room, there is none
// for this.
func (c *Core) turnAway(ctx context.Context, t turning) store.TrackID {
	if c.Care.Room() != nil {
		return ""
	}
	e, now := t.envelope, c.Now()
	var to []mime.Address
	r := audit.Record{At: now, Actor: peerActor(e.Remote), Action: audit.Refused, Object: "from " + sender(e.From)}
	for _, f := range t.refused {
		to = append(to, f.Recipient)
		r.Parts = append(r.Parts, audit.Part{Recipient: f.Recipient.String(), State: string(store.TrackRefused), Reason: reason.Of(f.Err).String()})
	}
	track, err := c.newTrack(store.Now, t.messageID, e.From, to, 0, now)
	if err == nil {
		r.Track = string(track.ID)
		if !e.Account.IsZero() {
			r.Actor = audit.Account(e.Account.String())
			track.Outbound, track.Account = true, accountBeside(e)
		}
		// Who was refused may have gone.
		err = c.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error { return putTurned(tx, track, r, t) })
	}
	if err != nil {
		c.Log.Error("what was refused has no track", "from", e.From, "peer", e.Remote.Addr(), "err", err)
		return ""
	}
	c.Log.Info("message", "track", track.ID, "stage", store.StageAccept, "from", e.From, "refused", len(to), "peer", e.Remote.Addr())
	return track.ID
}

func putTurned(tx store.Tx, track store.Track, r audit.Record, t turning) error {
	for i, f := range t.refused {
		to := &track.Recipients[i]
		to.State, to.Reason = store.TrackRefused, reason.Of(f.Err).String()
		to.Detail = strings.TrimPrefix(f.Err.Error(), to.Reason+": ")
	}
	err := tx.Audit(r)
	if err == nil {
		err = tx.PutTrack(track)
	}
	for _, to := range track.Recipients {
		if err != nil {
			return err
		}
		err = tx.AddEvent(track.ID, store.Event{
			At: track.Received, Stage: store.StageAccept, Recipient: to.Address, Reason: to.Reason,
			Detail: t.when + ", from " + t.envelope.Remote.Addr().String(),
		})
	}
	return err
}
