package gateway

import (
	"context"
	"slices"
	"time"

	"postern/internal/admit"
	"postern/internal/audit"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// How many envelopes with refused recipients have a track, in an hour: of one network
// or account, and of all networks, so that what strangers can make of them is some
// megabytes a day; and how many recipients of one envelope. The log has a line for each
// recipient, always.
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

// Refused gives recipients of ours that cannot take mail a track, for whoever asks why
// they did not get it. It counts as a message of its peer.
func (b Backbone) Refused(ctx context.Context, e smtp.Envelope, refused []smtp.Refusal) {
	now, network := b.Steady(), networkOf(e)
	refused = unserved(refused, isOurs)
	if len(refused) == 0 || !b.turned.networks.Take(now, network) || !b.turned.all.Take(now, "") {
		return
	}
	b.rates.peers.Count(now, 1, admit.Client(e.Remote.Addr()))
	b.rates.networks.Count(now, 1, network)
	b.turnAway(ctx, e, refused, peerActor(e.Remote), false)
}

// Refused is as that of the Backbone.
func (s Submission) Refused(ctx context.Context, e smtp.Envelope, refused []smtp.Refusal) {
	refused = unserved(refused, isFinal)
	if len(refused) > 0 && s.turned.accounts.Take(s.Steady(), e.Account.Key()) {
		s.turnAway(ctx, e, refused, audit.Account(e.Account.String()), true)
	}
}

// isOurs reports whether a refusal speaks of an address in a domain of ours.
func isOurs(code reason.Code) bool {
	return code == reason.UnknownRecipient || code == reason.RecipientDisabled
}

// isFinal reports whether a refusal is what became of a message of ours, which also is
// so where its recipient cannot be reached.
func isFinal(code reason.Code) bool {
	o := code.Outcome()
	return o.Disposition == reason.DispositionFailed && !o.Retry
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

// turnAway writes the track of recipients that were refused at RCPT. Nothing of their
// message is known, nor whether there is one. While there is no room, there is none for
// this.
func (c *Core) turnAway(ctx context.Context, e smtp.Envelope, refused []smtp.Refusal, actor string, outbound bool) {
	if c.Care.Room() != nil {
		return
	}
	now := c.Now()
	var to []mime.Address
	r := audit.Record{At: now, Actor: actor, Action: audit.Refused, Object: "from " + sender(e.From)}
	for _, f := range refused {
		to = append(to, f.Recipient)
		r.Parts = append(r.Parts, audit.Part{Recipient: f.Recipient.String(), State: string(store.TrackRefused), Reason: reason.Of(f.Err).String()})
	}
	track, err := c.newTrack("", e.From, to, 0, now)
	if err == nil {
		track.Outbound, r.Track = outbound, string(track.ID)
		err = c.Store.Update(ctx, func(tx store.Tx) error { return putTurned(tx, track, r, e, refused) })
	}
	if err != nil {
		c.Log.Error("what was refused at RCPT has no track", "from", e.From, "peer", e.Remote.Addr(), "err", err)
		return
	}
	c.Log.Info("message", "track", track.ID, "stage", store.StageAccept, "from", e.From, "refused", len(to), "peer", e.Remote.Addr())
}

func putTurned(tx store.Tx, track store.Track, r audit.Record, e smtp.Envelope, refused []smtp.Refusal) error {
	for i, f := range refused {
		to := &track.Recipients[i]
		to.State, to.Reason, to.Detail = store.TrackRefused, reason.Of(f.Err).String(), f.Err.Error()
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
			Detail: "refused before its message, from " + e.Remote.Addr().String(),
		})
	}
	return err
}
