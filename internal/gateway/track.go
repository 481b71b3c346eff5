package gateway

import (
	"errors"
	"time"

	"postern/internal/audit"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// newTrack is the track of a message that is taken, in the present era, or made of another,
// whose era it is of.
func (c *Core) newTrack(e store.Era, messageID string, from mime.Address, to []mime.Address, size int64, now time.Time) (store.Track, error) {
	id, err := store.NewTrackID(now, c.Rand)
	if err != nil {
		return store.Track{}, reason.New(reason.Internal, "naming a message: %w", err)
	}
	t := store.Track{ID: id, Era: e, MessageID: messageID, Sender: from, Size: size, Received: now}
	for _, a := range to {
		t.Recipients = append(t.Recipients, store.TrackRecipient{Address: a, State: store.TrackQueued, Updated: now})
	}
	return t, nil
}

func putTrack(tx store.Tx, t store.Track, e store.Event) error {
	err := tx.PutTrack(t)
	if err != nil {
		return err
	}
	return tx.AddEvent(t.ID, e)
}

// addEvent adds an event to a track that may be gone, or damaged, before its message
// has ended.
func addEvent(tx store.Tx, id store.TrackID, e store.Event) error {
	err := tx.AddEvent(id, e)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
		return nil
	}
	return err
}

// An outcome is what a step did to one recipient.
type outcome struct {
	recipient mime.Address
	state     store.TrackState // "" leaves the state as it is
	stage     string
	code      reason.Code
	detail    string
	more      string // for the event alone, behind detail
	host      string // of the far side that was asked, for the log
	quiet     bool   // an event that moves nothing, of which the log needs no line
	// answer is the final answer that the sender gets with it; "" is none.
	answer store.Answer
	// relayed is when it was handed over, by the steady clock; zero if it was not.
	relayed time.Time
	// revocation is what was known of a signer who was believed, for the log.
	revocation trust.RevocationStatus
	// pushing is how many more edges are to take the message: there is no final delivery
	// yet.
	pushing int
	// again says that nothing was decided, and that the recipient is tried again.
	again bool
	// unanswered marks a copy of which its sender is told nothing: he is of others.
	unanswered bool
	// duplicate marks what was delivered before, for the audit trail.
	duplicate bool
	// members are, of a group, what became of each, for the audit trail.
	members []audit.Part
	// partly says that some of the members of a group have the message.
	partly bool
	// by is who did it, for the audit trail; "" is the gateway itself.
	by string
}

// record writes the outcomes of a step into the message's track and, with the keys
// that it used, into the audit trail.
func record(tx store.Tx, id store.TrackID, now time.Time, outcomes []outcome, keys ...string) error {
	err := auditStep(tx, audit.Record{At: now, Track: string(id), Keys: keys}, outcomes)
	if err != nil {
		return err
	}
	t, known, err := trackOf(tx, id)
	if err != nil || !known {
		return err
	}
	of := make(map[string][]*store.TrackRecipient)
	for i := range t.Recipients {
		key := t.Recipients[i].Address.Key()
		of[key] = append(of[key], &t.Recipients[i])
	}
	for _, o := range outcomes {
		for _, r := range of[o.recipient.Key()] {
			r.Pushing = max(r.Pushing+o.pushing, 0)
			if r.Relayed.IsZero() {
				r.Relayed = o.relayed
			}
			if r.Told != "" {
				continue // the sender has his final answer (DN-21)
			}
			r.Told = o.answer
			if o.state != "" && !overtaken(*r, o.state) {
				r.State, r.Reason, r.Detail, r.Updated = o.state, o.code.String(), o.detail, now
			}
		}
		err := tx.AddEvent(id, store.Event{
			At: now, Stage: o.stage, Recipient: o.recipient, Reason: o.code.String(), Detail: o.told(),
		})
		if err != nil {
			return err
		}
	}
	return tx.PutTrack(t)
}

// trackOf reads the track of a message that goes its way also where it has none:
// it was pruned, or is damaged.
func trackOf(tx store.Tx, id store.TrackID) (t store.Track, known bool, err error) {
	t, err = tx.Track(id)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
		return store.Track{}, false, nil
	}
	return t, err == nil, err
}

// told is the detail of the event.
func (o outcome) told() string {
	if o.detail == "" || o.more == "" {
		return o.detail + o.more
	}
	return o.detail + "; " + o.more
}

// overtaken reports whether a new state is older news than the old one: the far
// side's answer may be here before we wrote down that it took the message.
func overtaken(r store.TrackRecipient, state store.TrackState) bool {
	if state != store.TrackSealed && state != store.TrackRelayed {
		return false
	}
	return r.State == store.TrackProcessed || r.State == store.TrackFailed
}

// tell logs what a step did once it is committed: ids, addresses and reasons,
// never details, which may quote what others wrote.
func (c *Core) tell(id store.TrackID, outcomes []outcome) {
	for _, o := range outcomes {
		if o.quiet {
			continue
		}
		attrs := []any{"track", id, "stage", o.stage, "rcpt", o.recipient, "state", o.state, "reason", o.code}
		if o.host != "" {
			attrs = append(attrs, "host", o.host)
		}
		if o.revocation != "" {
			attrs = append(attrs, "revocation", o.revocation)
		}
		c.Log.Info("message", attrs...)
	}
}

// storeError gives an error of the store its reason.
func storeError(err error) error {
	if errors.Is(err, store.ErrFull) {
		return reason.New(reason.StorageFull, "%w", err)
	}
	var known *reason.Error
	if errors.As(err, &known) {
		return err
	}
	return reason.New(reason.Internal, "%w", err)
}

// codeOf finds the reason behind an error of a reader.
func codeOf(err error) reason.Code {
	for _, m := range []struct {
		err  error
		code reason.Code
	}{
		{mime.ErrHeader, reason.BadHeader},
		{mime.ErrLimit, reason.BadHeader}, // of fields or octets: sending it again is in vain
		{mime.ErrBareCR, reason.BadLineEnding},
		{mime.ErrBareLF, reason.BadLineEnding},
		{mime.ErrLineLength, reason.LineTooLong},
		{store.ErrFull, reason.StorageFull},
	} {
		if errors.Is(err, m.err) {
			return m.code
		}
	}
	return reason.Of(err)
}
