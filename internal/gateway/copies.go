package gateway

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"postern/mime"
	"postern/store"
)

// Bounds of what one transaction reads and writes, whatever an account has made: a
// careless program uses one Message-ID for all of its messages, or hands in one message
// without end. Each may have very many recipients.
const (
	// maxOwn is how much is read of the messages of one Message-ID that somebody sent,
	// and again of those whose answers he gets: by what reading a recipient costs, which
	// a track costs besides. It is 1,000 messages to one recipient.
	maxOwn    = 8000
	trackCost = 7
	nearby    = 8 // copies of a message before it, and again after it
)

// sentTracks returns the messages of a Message-ID that somebody sent, newest first; of
// too many the latest. Those of others cost nothing.
func sentTracks(tx store.Tx, messageID string, sender mime.Address, most int) ([]store.Track, error) {
	return tracksOf(tx, store.TrackQuery{MessageID: messageID, SentBy: sender}, most, costOf)
}

// ownTracks returns the messages of a Message-ID that somebody sent, or gets the
// notifications about, of each at most that cost so much, oldest first. However many others want him to have theirs, what
// he sent is among them.
func ownTracks(tx store.Tx, messageID string, owner mime.Address, most int) ([]store.Track, error) {
	sent, err := sentTracks(tx, messageID, owner, most)
	if err != nil {
		return nil, err
	}
	answered, err := tracksOf(tx, store.TrackQuery{MessageID: messageID, AnsweredTo: owner}, most, costOf)
	all := slices.Concat(sent, answered)
	slices.SortFunc(all, func(a, b store.Track) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

// copiesOf returns other tracks of a message that a client handed in more than once:
// the nearest before it and after it, of which the same account is told. What was told to
// who had the address before is no answer to who has it now.
func (c *Core) copiesOf(tx store.Tx, t store.Track) ([]store.Track, error) {
	all, err := samesOf(tx, t)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	told, err := c.toldOf(tx, t)
	if err != nil {
		return nil, err
	}
	var copies []store.Track
	for _, k := range all {
		other, err := c.toldOf(tx, k)
		if err != nil {
			return nil, err
		}
		if other == told {
			copies = append(copies, k)
		}
	}
	return copies, nil
}

// toldOf is the account that is told of a message; zero if none is, as where it is damaged.
func (c *Core) toldOf(tx store.Tx, t store.Track) (mime.Address, error) {
	account, held, err := readerOf(c.book(tx), t)
	if errors.Is(err, store.ErrCorrupt) || err == nil && !held {
		return mime.Address{}, nil
	}
	return account.Address, err
}

func samesOf(tx store.Tx, t store.Track) ([]store.Track, error) {
	if t.MessageID == "" || t.Digest == "" {
		return nil, nil
	}
	q := store.TrackQuery{MessageID: t.MessageID, SentBy: t.Sender, Digest: t.Digest, After: t.ID}
	each := func(store.Track) int { return 1 }
	before, err := tracksOf(tx, q, nearby, each)
	if err != nil {
		return nil, err
	}
	q.Oldest = true
	after, err := tracksOf(tx, q, nearby, each)
	return append(before, after...), err
}

func costOf(t store.Track) int { return trackCost + len(t.Recipients) }

// tracksOf returns the first tracks that a query asks for, until their cost is reached.
func tracksOf(tx store.Tx, q store.TrackQuery, most int, cost func(store.Track) int) ([]store.Track, error) {
	var all []store.Track
	err := tx.EachTrack(q, func(t store.Track) bool {
		all = append(all, t)
		most -= cost(t)
		return most > 0
	})
	return all, err
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
	failed = unanswered(t, failed)
	if len(failed) == 0 {
		return s, nil
	}
	s.copies, err = c.copiesOf(tx, t)
	if err != nil {
		return s, err
	}
	others := c.standOf(s.copies)
	for _, f := range failed {
		key, answer := f.recipient.Key(), store.ToldFailure
		switch {
		case others[key].told:
			answer = store.ToldSuccess
		case !f.overdue() && others[key].awaited:
			answer = "" // it comes with the copy, or the end of the wait for it
		case unasked(t, f.recipient):
			answer = store.ToldUnasked
		default:
			s.tell = append(s.tell, f)
		}
		s.answers[key] = answer
	}
	return s, err
}

// unanswered are the failures of recipients of whom the sender has no answer. The far
// side may have taken the message, and told so, of which we did not learn before the
// line broke.
func unanswered(t store.Track, failed []failure) []failure {
	own := make(map[string]bool)
	for _, r := range t.Recipients {
		own[r.Address.Key()] = answered(t, r)
	}
	return slices.DeleteFunc(slices.Clone(failed), func(f failure) bool { return own[f.recipient.Key()] })
}

// A stand is how copies of a message stand for one recipient.
type stand struct {
	told    bool // the sender of one was told success
	awaited bool // the answer of a far side is awaited
}

// standOf returns how copies of a message stand for each recipient, by Address.Key.
func (c *Core) standOf(copies []store.Track) map[string]stand {
	all, now := make(map[string]stand), c.Steady()
	for _, t := range copies {
		for _, r := range t.Recipients {
			key := r.Address.Key()
			s := all[key]
			s.told = s.told || r.Told == store.ToldSuccess
			s.awaited = s.awaited || c.Notify.awaits(t, r, now)
			all[key] = s
		}
	}
	return all
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
	if len(s.tell) == 0 {
		return nil
	}
	told := make(map[string]failure)
	for _, f := range s.tell {
		told[f.recipient.Key()] = f
	}
	for _, t := range s.copies {
		var all []outcome
		for _, r := range t.Recipients {
			f, ok := told[r.Address.Key()]
			if ok && !answered(t, r) {
				all = append(all, f.shared(r, s.track.ID))
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

// shared is what a failure that was told of one track makes of a recipient of another
// copy.
func (f failure) shared(r store.TrackRecipient, told store.TrackID) outcome {
	o := outcome{
		recipient: r.Address, state: store.TrackFailed, answer: store.ToldFailure,
		stage: store.StageNotify, code: f.code, detail: "its sender was told of the same message, " + string(told),
	}
	if f.overdue() {
		o.state, o.stage = store.TrackOverdue, store.StageMonitor
	}
	if r.State == store.TrackFailed {
		o.state = "" // for a reason of its own
	}
	return o
}
