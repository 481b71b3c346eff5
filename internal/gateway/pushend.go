package gateway

import (
	"slices"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// answers reports whether anybody is told what becomes of a push.
func answers(job store.Job) bool {
	return slices.ContainsFunc(job.Names(), func(n store.PushName) bool { return n.Answers })
}

// byTrack are the names of a push, those of one transmission together.
func byTrack(job store.Job) [][]store.PushName {
	var all [][]store.PushName
	at := make(map[store.TrackID]int)
	for _, n := range job.Names() {
		i, ok := at[n.Track]
		if !ok {
			i = len(all)
			at[n.Track], all = i, append(all, nil)
		}
		all[i] = append(all[i], n)
	}
	return all
}

// A tracked is what an attempt did to one transmission of a message.
type tracked struct {
	track store.TrackID
	done  []outcome
}

// tellAll logs what an attempt did to each, once it is committed.
func (c *Core) tellAll(all []tracked) {
	for _, s := range all {
		c.tell(s.track, s.done)
	}
}

// spread are the outcomes of an attempt for each of the names of one transmission. An
// outcome of no recipient is of another host of the attempt.
func spread(names []store.PushName, done []outcome, of func(store.PushName, outcome) outcome) []outcome {
	var all []outcome
	for _, o := range done {
		if o.recipient.IsZero() {
			all = append(all, o)
			continue
		}
		for _, n := range names {
			o.recipient = n.Address
			all = append(all, of(n, o))
		}
	}
	return all
}

// stillWaits records an attempt after which the edge is tried again. A recipient is left
// where he stands whose sender was told that the message failed, as of another account
// behind the address, and so are those whom a notice is about.
func (e *pushEnd) stillWaits(tx store.Tx, job store.Job) (all []tracked, err error) {
	for _, names := range byTrack(job) {
		t, _, err := trackOf(tx, names[0].Track)
		if err != nil {
			return nil, err
		}
		done := spread(names, e.outcomes, func(n store.PushName, o outcome) outcome {
			if t.Outbound || standsAt(t, n.Address).State == store.TrackFailed {
				o.state = ""
			}
			return o
		})
		err = record(tx, names[0].Track, e.Now(), done)
		if err != nil {
			return nil, err
		}
		all = append(all, tracked{names[0].Track, done})
	}
	return all, nil
}

// standsAt is how a recipient of an incoming message stands before its push ends, as far
// as is known.
func standsAt(t store.Track, a mime.Address) store.TrackRecipient {
	for i := len(t.Recipients) - 1; i >= 0 && !t.Outbound; i-- {
		if t.Recipients[i].Address.Same(a) {
			return t.Recipients[i]
		}
	}
	return store.TrackRecipient{State: store.TrackQueued, Pushing: 1}
}

// endPush ends the handing over of a message for one account, and leaves the answers
// that its sender is to get, if any: one of an address, however often it came.
func (c *Core) endPush(tx store.Tx, job store.Job, state store.TrackState, code reason.Code, done ...outcome) ([]tracked, error) {
	var all []tracked
	var answered []store.PushName
	for _, names := range byTrack(job) {
		s, final, err := c.endNames(tx, job, names, state, done)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		for _, n := range final {
			if n.Answers && !slices.ContainsFunc(answered, func(a store.PushName) bool { return a.Address.Same(n.Address) }) {
				answered = append(answered, n)
			}
		}
	}
	for _, n := range answered {
		_, err := tx.Enqueue(c.answerTo(job, n, state, code))
		if err != nil {
			return nil, err
		}
	}
	err := c.knowEnded(tx, job, state)
	if err != nil {
		return nil, err
	}
	return all, c.finish(tx, job)
}

// answerTo is the job that tells the sender of a message what its edge made of it, under
// one of its addresses. It waits for no edge, and what an operator did to the push was not
// done to it.
func (c *Core) answerTo(push store.Job, n store.PushName, ended store.TrackState, code reason.Code) store.Job {
	now := c.Steady()
	j := store.Job{
		Kind: store.PushJob, Body: push.Body, Size: push.Size, Sender: push.Sender,
		Destination: push.Destination, Flow: push.Flow, Era: push.Era,
		Created: now, Due: now, Expires: now.Add(c.RetryFor), Reason: code.String(),
		Push: store.Push{Account: push.Push.Account, Ended: ended},
	}
	return j.Naming(n)
}

// endNames records the end of a push for one transmission of its message, and returns
// those of its addresses whose answer it makes final.
func (c *Core) endNames(tx store.Tx, job store.Job, names []store.PushName, state store.TrackState, done []outcome) (s tracked, final []store.PushName, err error) {
	t, _, err := trackOf(tx, names[0].Track)
	if err != nil {
		return s, nil, err
	}
	before := make(map[string]store.TrackRecipient)
	for _, n := range names {
		r := standsAt(t, n.Address)
		before[n.Address.Key()] = r
		if r.State != store.TrackFailed && (state == store.TrackFailed || job.Push.Timely && r.Pushing <= 1) {
			final = append(final, n)
		}
	}
	done = spread(names, done, func(n store.PushName, o outcome) outcome {
		r := before[n.Address.Key()]
		switch {
		case t.Outbound: // it is a notice about that message
			o.state = ""
			return o
		case r.State == store.TrackFailed || state == store.TrackDelivered && r.Pushing > 1:
			o.state = "" // others behind the address are still to have it, or one has it not
		}
		o.pushing = -1
		return o
	})
	err = record(tx, names[0].Track, c.Now(), done)
	return tracked{names[0].Track, done}, final, err
}
