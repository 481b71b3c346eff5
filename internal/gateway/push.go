package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// push hands an opened message to the edge of its recipient, over TLS that is verified
// and never without. As with relay, what the edge said is known here alone until it is
// committed, so that the commit is tried again and never the sending.
func (c *Core) push(ctx context.Context, job store.Job) error {
	if job.Push.Ended != "" {
		return c.answerPush(ctx, job)
	}
	defer c.sending.begin(job.ID)()
	err := c.checkWritable(ctx, job)
	if err != nil {
		return err
	}
	e, err := c.pushed(ctx, job)
	if err != nil {
		return err
	}
	var done []outcome
	err = c.insist(ctx, job, func() error {
		return c.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) (err error) {
			done, err = e.commit(tx)
			return err
		})
	})
	if err == nil {
		c.tell(job.Track, done)
	}
	return err
}

// A pushEnd is what becomes of a push job after an attempt.
type pushEnd struct {
	*relayEnd
	noEdge bool // the account has none any more
}

// pushed makes an attempt.
func (c *Core) pushed(ctx context.Context, job store.Job) (*pushEnd, error) {
	edge, ok, err := c.edgeOf(ctx, job.Push.Account)
	if err != nil {
		return nil, err
	}
	if !ok {
		return &pushEnd{relayEnd: &relayEnd{Core: c, job: job, due: c.Steady()}, noEdge: true}, nil
	}
	job.Destination, job.Lane = mime.Domain(edgeLane(edge)), edgeLane(edge) // it may be another since
	e, over := c.expiredWhileDown(job)
	if !over {
		results, err := c.hand(ctx, edge, job)
		if err != nil {
			return nil, err
		}
		stopping := ctx.Err() != nil
		e = c.relayEnd(job, results, stopping)
		e.cut = stopping && len(e.again) > 0
		if e.cut && !results[0].Unanswered {
			return nil, ctx.Err() // stopping is not the edge's failure
		}
		if !stopping {
			c.observe(job, results)
		}
	}
	for i := range e.outcomes {
		o := &e.outcomes[i]
		o.stage = store.StagePush
		switch o.state {
		case store.TrackRelayed:
			o.state = store.TrackDelivered
		case store.TrackSealed:
			o.state = store.TrackQueued
		}
	}
	return &pushEnd{relayEnd: e}, nil
}

func (c *Core) edgeOf(ctx context.Context, account mime.Address) (edge store.Edge, ok bool, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		edge, ok, err = store.EdgeFor(tx, account)
		if err != nil || !ok {
			return err
		}
		edge, err = tx.Edge(edge.Owner) // with its password
		return err
	})
	return edge, ok, err
}

// hand sends the message to the edge. Its result is by the recipient's address, also
// where another account stands behind that.
func (c *Core) hand(ctx context.Context, edge store.Edge, job store.Job) ([]smtp.Result, error) {
	to, err := c.reachOf(edge)
	if err != nil {
		return []smtp.Result{{Recipient: job.Recipients[0], Code: reason.PeerUnreachable, Text: clip(err.Error()), Down: true}}, nil
	}
	src, err := c.stored(ctx, job.Body)
	if err != nil {
		return nil, err
	}
	results := c.Edges.Push(ctx, to, smtp.Delivery{
		From: job.Sender, To: []mime.Address{job.Push.Account}, Size: src.Size(),
		Message: func() (io.Reader, error) { return src.Open() },
	})
	results = complete(results, []mime.Address{job.Push.Account})
	results[0].Recipient = job.Recipients[0]
	return results[:1], nil
}

// commit ends the attempt in one transaction. It may be called again after it failed.
func (e *pushEnd) commit(tx store.Tx) ([]outcome, error) {
	stored, err := tx.Job(e.job.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case e.cut:
		return nil, nil
	case e.noEdge:
		return e.toInbox(tx, stored, reason.OK, "its account has no edge any more")
	case len(e.again) > 0:
		err = e.stillFailed(tx)
		if err != nil {
			return nil, err
		}
		err = record(tx, e.job.Track, e.Now(), e.outcomes)
		if err != nil {
			return nil, err
		}
		return e.outcomes, putAgain(tx, e.later())
	case len(e.failed) > 0 && !stored.Push.Answers:
		// Nobody else would learn of it: what cannot be answered, such as a notification
		// for the account, is not lost.
		return e.toInbox(tx, stored, e.failed[0].code, e.failed[0].detail)
	}
	state, code := store.TrackDelivered, reason.OK
	if len(e.failed) > 0 {
		state, code = store.TrackFailed, e.failed[0].code
	}
	err = e.endPush(tx, stored, state, code, e.outcomes...)
	return e.outcomes, err
}

// stillFailed leaves a recipient where he stands whose sender was told that the message
// failed, as of another account behind the address, and those whom a notice is about.
func (e *pushEnd) stillFailed(tx store.Tx) error {
	t, _, err := trackOf(tx, e.job.Track)
	for _, r := range t.Recipients {
		for i := range e.outcomes {
			if e.outcomes[i].recipient.Same(r.Address) && (t.Outbound || r.State == store.TrackFailed) {
				e.outcomes[i].state = ""
			}
		}
	}
	return err
}

// endPush ends the handing over of a message for one account, and leaves the job the
// answer that its sender is to get, if any.
func (c *Core) endPush(tx store.Tx, job store.Job, state store.TrackState, code reason.Code, done ...outcome) error {
	t, _, err := trackOf(tx, job.Track)
	if err != nil {
		return err
	}
	before := store.TrackRecipient{State: store.TrackQueued, Pushing: 1} // as far as is known
	for _, r := range t.Recipients {
		if r.Address.Same(job.Recipients[0]) && !t.Outbound {
			before = r
		}
	}
	for i := range done {
		if done[i].recipient.IsZero() {
			continue // another host of the same attempt
		}
		if t.Outbound { // it is a notice about that message
			done[i].state = ""
			continue
		}
		done[i].pushing = -1
		if before.State == store.TrackFailed || state == store.TrackDelivered && before.Pushing > 1 {
			done[i].state = "" // others behind the address are still to have it, or one has it not
		}
	}
	err = record(tx, job.Track, c.Now(), done)
	if err == nil && state == store.TrackFailed {
		err = forgetRefused(tx, t, job.Push.Account)
	}
	if err != nil {
		return err
	}
	final := before.State != store.TrackFailed && (state == store.TrackFailed || job.Push.Timely && before.Pushing <= 1)
	if !job.Push.Answers || !final {
		return c.finish(tx, job)
	}
	now := c.Steady()
	job.Push.Ended, job.Reason, job.Detail, job.Attempts = state, code.String(), "", 0
	job.Lane, job.Due, job.Expires = "", now, now.Add(c.RetryFor) // it waits for the edge no more
	return tx.Reschedule(job)
}

// toInbox puts the message into the account's mailbox after all.
func (e *pushEnd) toInbox(tx store.Tx, job store.Job, code reason.Code, why string) ([]outcome, error) {
	o := outcome{recipient: job.Recipients[0], state: store.TrackDelivered, stage: store.StagePush, pushing: 0}
	inbox, err := tx.MailboxByName(job.Push.Account, store.Inbox)
	if errors.Is(err, store.ErrNotFound) { // the account was removed meanwhile
		o.state, o.code, o.detail = store.TrackFailed, reason.UnknownRecipient, "its account is not there any more"
		done := []outcome{o}
		return done, e.endPush(tx, job, store.TrackFailed, o.code, done...)
	}
	if err != nil {
		return nil, err
	}
	m, err := tx.Append(inbox.ID, store.Message{Body: job.Body, Size: job.Size, Received: e.Now(), Track: job.Track})
	if err != nil {
		return nil, err
	}
	o.detail = fmt.Sprintf("INBOX, UID %d, not the edge: %s", m.UID, why)
	if !code.IsOK() {
		o.more = code.String()
	}
	err = e.arrived(tx, inbox, m, job.Automatic)
	if err != nil {
		return nil, err
	}
	done := []outcome{o}
	return done, e.endPush(tx, job, store.TrackDelivered, reason.OK, done...)
}
