package gateway

import (
	"slices"
	"time"

	"postern/mime"
	"postern/store"
)

// maxSame bounds the tracks that are read in search of a message: a careless program
// uses one Message-ID for all of its messages.
const maxSame = 1000

// ownTracks returns the messages of a Message-ID that somebody sent, or gets the
// notifications about, oldest first; of too many the latest. Those of others, which
// strangers can make many, cost nothing.
func ownTracks(tx store.Tx, messageID string, owner mime.Address) ([]store.Track, error) {
	var all []store.Track
	err := tx.EachTrack(store.TrackQuery{MessageID: messageID, SentBy: owner}, func(t store.Track) bool {
		all = append(all, t)
		return len(all) < maxSame
	})
	slices.Reverse(all)
	return all, err
}

// copiesOf returns the other tracks of a message that a client handed in more than
// once.
func copiesOf(tx store.Tx, t store.Track) ([]store.Track, error) {
	if t.MessageID == "" || t.Digest == "" {
		return nil, nil
	}
	all, err := ownTracks(tx, t.MessageID, t.Sender)
	return slices.DeleteFunc(all, func(other store.Track) bool { return other.ID == t.ID || !sameMessage(t, other) }), err
}

// sameMessage reports whether a client handed in one message as two.
func sameMessage(a, b store.Track) bool {
	return a.Digest != "" && a.Digest == b.Digest && a.Sender.Same(b.Sender)
}

// answered reports whether the sender of a message waits for nothing more of a
// recipient: he has the final answer, or asked for no more than processed (DN-30).
func answered(t store.Track, r store.TrackRecipient) bool {
	return r.Told != "" || r.State == store.TrackProcessed && !t.Timely
}

// A settling is what failures mean to the sender of a message. He may have handed it
// in more than once, and waits for one answer for all of its copies: the first of them
// that fails tells him, unless a far side has taken another and its answer is awaited,
// and what he is told is the answer for each that has none (DN-21).
type settling struct {
	track  store.Track
	copies []store.Track // the others of the same message
	tell   []failure     // those that he is told of now
	// answers is what the track has of a failed recipient afterwards, by Address.Key:
	// "" where a copy brings the answer. Of who was answered before it has nothing.
	answers map[string]store.Answer
}

// settle finds out what failures of a job mean to its sender. Nobody is told of what
// becomes of a notification (AS-86).
func (c *Core) settle(tx store.Tx, job store.Job, failed []failure) (settling, error) {
	var s settling
	if len(failed) == 0 || job.Automatic || job.Sender.IsZero() {
		return s, nil
	}
	t, known, err := trackOf(tx, job.Track)
	if err != nil {
		return s, err
	}
	if !known {
		s.tell = failed
		return s, nil
	}
	s.track, s.answers = t, make(map[string]store.Answer)
	s.copies, err = copiesOf(tx, t)
	now := c.Steady()
	for _, f := range failed {
		anyCopy := func(is func(store.Track, store.TrackRecipient) bool) bool {
			return slices.ContainsFunc(s.copies, func(t store.Track) bool { return has(t, f.recipient, is) })
		}
		answer := store.ToldFailure
		switch {
		case has(t, f.recipient, answered):
			// The far side may have taken the message, and told so, of which we did not
			// learn before the line broke.
			continue
		case anyCopy(func(_ store.Track, r store.TrackRecipient) bool { return r.Told == store.ToldSuccess }):
			answer = store.ToldSuccess
		case !f.overdue() && anyCopy(func(t store.Track, r store.TrackRecipient) bool { return c.Notify.awaits(t, r, now) }):
			answer = "" // it comes with the copy, or the end of the wait for it
		default:
			s.tell = append(s.tell, f)
		}
		s.answers[f.recipient.Key()] = answer
	}
	return s, err
}

// has reports whether something is so of a recipient of a message.
func has(t store.Track, a mime.Address, is func(store.Track, store.TrackRecipient) bool) bool {
	return slices.ContainsFunc(t.Recipients, func(r store.TrackRecipient) bool { return r.Address.Same(a) && is(t, r) })
}

// over gives the outcomes of a step the answers. Who was answered before stays where
// he stands.
func (s settling) over(done []outcome) []outcome {
	if s.answers == nil {
		return done
	}
	done = slices.Clone(done)
	for i := range done {
		o := &done[i]
		if o.state != store.TrackFailed && o.state != store.TrackOverdue {
			continue
		}
		answer, open := s.answers[o.recipient.Key()]
		if open {
			o.answer = answer
		} else {
			o.state = ""
		}
	}
	return done
}

// share writes what the sender is told into the other copies that have no answer.
// What is still on its way goes on, and what is heard of it counts for nothing.
func (c *Core) share(tx store.Tx, s settling, at time.Time) error {
	for _, t := range s.copies {
		var all []outcome
		for _, f := range s.tell {
			if has(t, f.recipient, func(t store.Track, r store.TrackRecipient) bool { return !answered(t, r) }) {
				all = append(all, f.shared(t, s.track.ID))
			}
		}
		if len(all) == 0 {
			continue
		}
		err := record(tx, t.ID, at, all)
		if err == nil {
			err = c.rewatch(tx, t.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// shared is what a failure that was told of one track makes of another copy, t.
func (f failure) shared(t store.Track, told store.TrackID) outcome {
	o := outcome{
		recipient: f.recipient, state: store.TrackFailed, answer: store.ToldFailure,
		stage: store.StageNotify, code: f.code, detail: "its sender was told of the same message, " + string(told),
	}
	if f.overdue() {
		o.state, o.stage = store.TrackOverdue, store.StageMonitor
	}
	if has(t, f.recipient, func(_ store.Track, r store.TrackRecipient) bool { return r.State == store.TrackFailed }) {
		o.state = "" // for a reason of its own
	}
	return o
}
