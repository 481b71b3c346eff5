package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"postern/internal/cms/smime"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// openUntil makes the step that takes a message from the backbone: it is decrypted,
// verified and judged for each recipient, delivered to those that may believe it,
// and acknowledged with one processed MDN each (AS-85). Refusals are silent outside
// (AS-66). It waits for evidence until idle is done: in a wait there is nothing to
// end.
func (c *Core) openUntil(idle context.Context) step {
	return func(ctx context.Context, job store.Job) error { return c.open(ctx, idle, job) }
}

func (c *Core) open(ctx, idle context.Context, job store.Job) error {
	dir, err := c.Directory(ctx)
	if err != nil {
		return err
	}
	src, err := c.stored(ctx, job.Body)
	if err != nil {
		return err
	}
	release, err := c.holdCrypto(ctx, job.Size)
	if err != nil {
		return err
	}
	defer release()
	whole := job
	step := &opening{Core: c, dir: dir, now: c.Now(), due: c.Steady()}
	job.Recipients, step.later = dir.atOnce(job.Recipients)
	step.job = job
	defer step.discard()
	envelope := &sta.Envelope{MailFrom: job.Sender, RcptTo: job.Recipients}
	questions := c.questions(dir, src, envelope, job.Recipients, step.now)
	opened, err := openAll(ctx, questions)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(opened, func(o *sta.Opened) bool { return o.Pending() != nil }) {
		return c.openLater(idle, whole, opened, questions)
	}
	// A message that comes out of a long outage of ours has its tries as well.
	step.undecided = step.due.Before(job.Created.Add(c.JudgeFor)) || job.Attempts < minJudgements
	for _, o := range opened {
		p := &part{opening: step, opened: o}
		step.parts = append(step.parts, p)
		err := p.prepare(ctx)
		if err != nil {
			return err
		}
	}
	err = step.write(ctx)
	if err == nil {
		c.heardFrom(opened)
		step.tellAll()
	}
	return err
}

// questions are what a message is opened by for all recipients, one for each set
// of keys.
func (c *Core) questions(dir *Directory, message smime.Source, envelope *sta.Envelope, to []mime.Address, at time.Time) []sta.Incoming {
	var all []sta.Incoming
	for _, g := range dir.keyGroups(to) {
		in := sta.Incoming{
			Message: message, Envelope: envelope, Keys: g.keys, At: at,
			Profile: c.Profile, AcceptUnwrapped: c.AcceptUnwrapped,
			Intermediates: dir.held, Evidence: c.Evidence, Revocation: c.Revocation,
			EVPolicies: c.Signers.Policies,
			// A message was measured where it was taken. Here it would be lost
			// silently (AS-66): also one from our own domains, which may have
			// grown beyond SealedBytes when it was made seven-bit.
			Limits: smime.Limits{Size: message.Size()},
		}
		for _, a := range g.recipients {
			in.Recipients = append(in.Recipients, sta.Recipient{Address: a, Belief: c.belief(dir, a.Domain())})
		}
		all = append(all, in)
	}
	return all
}

func openAll(ctx context.Context, questions []sta.Incoming) ([]*sta.Opened, error) {
	var all []*sta.Opened
	for _, in := range questions {
		opened, err := sta.Open(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, opened)
	}
	return all, nil
}

// settle judges again whenever evidence has come, until none is on its way.
func settle(ctx context.Context, opened []*sta.Opened, questions []sta.Incoming) {
	for i, o := range opened {
		for o.Pending() != nil && await(ctx, o.Pending()) {
			o.Judge(questions[i])
		}
	}
}

const (
	// minJudgements is how often a message is judged at least before evidence
	// that does not come is a reason to refuse it: over some minutes.
	minJudgements = 5
	// maxWaiting bounds the messages that wait for evidence in memory; more are
	// put off.
	maxWaiting  = 1000
	waitingFull = 10 * time.Second
)

// openLater leaves a message until the evidence on its signer has come, or the
// wait for it is over. Its worker is free meanwhile: a stranger who names a server
// that does not answer holds up his own message alone. What was opened is judged
// again as often as need be, without another decryption, and the message is then
// opened anew, when all that can be known is at hand.
func (c *Core) openLater(ctx context.Context, job store.Job, opened []*sta.Opened, questions []sta.Incoming) error {
	if c.waiting.Add(1) > maxWaiting {
		c.waiting.Add(-1)
		job.Due = c.Steady().Add(waitingFull) // no attempt was made
		c.putBack(ctx, job)
		return nil
	}
	for _, o := range opened {
		o.Forget()
	}
	c.waits.Go(func() {
		defer c.waiting.Add(-1)
		defer c.Store.Release(job.ID)
		err := task.Contained(func() error {
			settle(ctx, opened, questions)
			return nil
		})
		if err != nil {
			c.Log.Error("judging a message again failed", "track", job.Track, "err", err)
		}
	})
	return errGoesOn
}

// An opening is one run of the open step: what is worked out before its
// transaction, so that the transaction only writes.
type opening struct {
	*Core
	job   store.Job
	dir   *Directory
	now   time.Time
	due   time.Time // the present by the clock of the queue
	parts []*part
	later []mime.Address // recipients for whom the job is run again
	// reached is where the latest commit put the message, which may be written to one
	// mailbox under several addresses, and pushes are those that it made or joined.
	reached map[reached]arrival
	pushes  []*pushing
	// undecided is true while evidence that is missing may still come.
	undecided bool

	outcomes []outcome // of the latest commit
}

// open reports whether a verdict may still change.
func (o *opening) open(v sta.Verdict) bool { return o.undecided && v.Code.Outcome().Retry }

func (o *opening) discard() {
	for _, p := range o.parts {
		p.discard()
	}
}

// write commits the step, and again with what a commit found lacking.
func (o *opening) write(ctx context.Context) error {
	for range maxRewrites {
		err := o.Store.Update(ctx, o.commit)
		if !errors.Is(err, errLacking) {
			return err
		}
		for _, p := range o.parts {
			err := p.composeLacking(ctx)
			if err != nil {
				return err
			}
		}
	}
	return errLacking
}

// tellAll logs what the step did to its message and to those it tells of.
func (o *opening) tellAll() {
	o.tell(o.job.Track, o.outcomes)
	for _, p := range o.parts {
		for _, h := range p.hidden {
			if h.wanted {
				o.counts.hidden.Add(1)
			} else {
				o.counts.suppressed.Add(1)
			}
		}
		for _, n := range p.news {
			o.tell(n.track, n.outcomes)
		}
	}
}

// commit ends the step: one transaction holds the deliveries, the answers, the
// track and the end of the job.
func (o *opening) commit(tx store.Tx) error {
	err := standing(tx, o.job.ID)
	if err != nil {
		return err
	}
	o.reached, o.pushes = make(map[reached]arrival), nil
	var outcomes []outcome
	var refused []sta.Verdict
	var again []failure
	for _, p := range o.parts {
		done, err := p.commit(tx)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, done...)
		for _, d := range done {
			if d.again {
				again = append(again, failure{recipient: d.recipient, code: d.code, detail: d.detail})
			}
		}
		for _, v := range p.opened.Verdicts {
			// What came in clear holds no riddle that its original would solve,
			// and anybody can send it: it is not worth the space.
			switch {
			case o.open(v):
				again = append(again, failure{recipient: v.Recipient, code: v.Code, detail: v.Detail})
			case !v.Accepted() && v.Code != reason.NotEncrypted:
				refused = append(refused, v)
			}
		}
	}
	err = errors.Join(o.queuePushes(tx), o.identify(tx))
	if err != nil {
		return err
	}
	err = record(tx, o.job.Track, o.now, outcomes, o.keysUsed()...)
	if err != nil {
		return err
	}
	o.outcomes = outcomes
	return o.end(tx, refused, again)
}

// end finishes the job, or leaves it to those recipients that are still to be
// judged; what was refused is kept.
func (o *opening) end(tx store.Tx, refused []sta.Verdict, again []failure) error {
	switch {
	case len(again) > 0 || len(o.later) > 0:
		if len(refused) > 0 {
			err := o.keepCopy(tx, o.refusedTo(refused))
			if err != nil {
				return err
			}
		}
		return tx.Reschedule(o.goesOn(again))
	case len(refused) > 0:
		err := o.letGo(tx, o.job.Next)
		if err != nil {
			return err
		}
		return o.keepOriginal(tx, o.refusedTo(refused))
	}
	return o.finish(tx, o.job)
}

// identify gives the track the Message-ID of the message that was accepted and
// what else makes it known when it comes again: what stands outside is nobody's
// word (AS-54).
func (o *opening) identify(tx store.Tx) error {
	for _, p := range o.parts {
		if len(p.deliveries) == 0 {
			continue
		}
		t, known, err := trackOf(tx, o.job.Track)
		if err != nil || !known {
			return err
		}
		t.MessageID, t.Author, t.Digest = p.opened.Header.MessageID(), p.opened.Sender, p.digest
		return tx.PutTrack(t)
	}
	return nil
}

// refusedTo is the job as far as it is about those who may not have its message.
func (o *opening) refusedTo(refused []sta.Verdict) store.Job {
	j := o.job
	j.Reason, j.Detail = refused[0].Code.String(), refused[0].Detail
	j.Recipients = nil
	for _, v := range refused {
		j.Recipients = append(j.Recipients, v.Recipient)
	}
	return j
}
