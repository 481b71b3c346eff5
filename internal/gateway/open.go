package gateway

import (
	"context"
	"errors"
	"time"

	"postern/internal/cms/smime"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// keptJob is the sealed original of a message that was refused. It stays for
// Core.KeepRefused, so that an operator can look into it, and is then dropped.
const keptJob store.JobKind = "kept"

// open takes a message from the backbone: it is decrypted, verified and judged
// for each recipient, delivered to those that may believe it, and acknowledged
// with one processed MDN each (AS-85). Refusals are silent outside (AS-66).
func (c *Core) open(ctx context.Context, job store.Job) error {
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
	step := &opening{Core: c, job: job, dir: dir, now: c.Now()}
	defer step.discard()
	envelope := &sta.Envelope{MailFrom: job.Sender, RcptTo: job.Recipients}
	opened, err := c.openAll(ctx, dir, src, envelope, job.Recipients, step.now)
	if err != nil {
		return err
	}
	for _, o := range opened {
		p := &part{opening: step, opened: o}
		step.parts = append(step.parts, p)
		err := p.prepare(ctx)
		if err != nil {
			return err
		}
	}
	err = c.Store.Update(ctx, step.commit)
	if err == nil {
		c.tell(job.Track, step.outcomes)
	}
	return err
}

// openAll opens a message for all recipients, once for each set of keys.
func (c *Core) openAll(ctx context.Context, dir *Directory, message smime.Source, envelope *sta.Envelope, to []mime.Address, at time.Time) ([]*sta.Opened, error) {
	var all []*sta.Opened
	for _, g := range dir.keyGroups(to) {
		in := sta.Incoming{
			Message: message, Envelope: envelope, Keys: g.keys, At: at,
			Profile: c.Profile, AcceptUnwrapped: c.AcceptUnwrapped,
			// A message was measured where it was taken. Here it would be lost
			// silently (AS-66): also one from our own domains, which may have
			// grown beyond SealedBytes when it was made seven-bit.
			Limits: smime.Limits{Size: message.Size()},
		}
		for _, a := range g.recipients {
			in.Recipients = append(in.Recipients, sta.Recipient{Address: a, Anchors: dir.Anchors(a.Domain(), store.In)})
		}
		opened, err := sta.Open(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, opened)
	}
	return all, nil
}

// An opening is one run of the open step: what is worked out before its
// transaction, so that the transaction only writes.
type opening struct {
	*Core
	job   store.Job
	dir   *Directory
	now   time.Time
	parts []*part

	outcomes []outcome // of the latest commit
}

func (o *opening) discard() {
	for _, p := range o.parts {
		p.discard()
	}
}

// commit ends the step: one transaction holds the deliveries, the answers, the
// track and the end of the job.
func (o *opening) commit(tx store.Tx) error {
	var outcomes []outcome
	var refused []sta.Verdict
	for _, p := range o.parts {
		done, err := p.commit(tx)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, done...)
		for _, v := range p.opened.Verdicts {
			// What came in clear holds no riddle that its original would solve,
			// and anybody can send it: it is not worth the space.
			if !v.Accepted() && v.Code != reason.NotEncrypted {
				refused = append(refused, v)
			}
		}
	}
	err := o.identify(tx)
	if err != nil {
		return err
	}
	err = record(tx, o.job.Track, o.now, outcomes)
	if err != nil {
		return err
	}
	o.outcomes = outcomes
	if len(refused) == 0 {
		return tx.Finish(o.job.ID)
	}
	return o.keep(tx, refused)
}

// identify gives the track the Message-ID of the message that was accepted and
// what else makes it known when it comes again: what stands outside is nobody's
// word (AS-54).
func (o *opening) identify(tx store.Tx) error {
	for _, p := range o.parts {
		if p.inner == nil {
			continue
		}
		t, err := tx.Track(o.job.Track)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.MessageID, t.Author, t.Digest = p.opened.Header.MessageID(), p.opened.Sender, p.digest
		return tx.PutTrack(t)
	}
	return nil
}

// keep leaves the sealed original of a refused message for an operator.
func (o *opening) keep(tx store.Tx, refused []sta.Verdict) error {
	j := o.job
	j.Kind, j.Due, j.Expires = keptJob, o.now.Add(o.KeepRefused), o.now.Add(o.KeepRefused)
	j.Reason, j.Detail = refused[0].Code.String(), refused[0].Detail
	j.Recipients = nil
	for _, v := range refused {
		j.Recipients = append(j.Recipients, v.Recipient)
	}
	return tx.Reschedule(j)
}

// drop ends the keeping of a refused message.
func (c *Core) drop(ctx context.Context, job store.Job) error {
	return c.Store.Update(ctx, func(tx store.Tx) error { return tx.Finish(job.ID) })
}
