package gateway

import (
	"context"
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
	var done []tracked
	err = c.insist(ctx, job, func() error {
		return c.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) (err error) {
			done, err = e.commit(tx)
			return err
		})
	})
	if err == nil {
		c.tellAll(done)
	}
	return err
}

// A pushEnd is what becomes of a push job after an attempt.
type pushEnd struct {
	*relayEnd
	noEdge bool // there was none to hand the message to
}

// pushed makes an attempt.
func (c *Core) pushed(ctx context.Context, job store.Job) (*pushEnd, error) {
	edge, without, err := c.edgeOf(ctx, job)
	if err != nil {
		return nil, err
	}
	if without != "" {
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

// edgeOf finds the edge that a message is handed to, with its password, or why it is
// handed to none.
func (c *Core) edgeOf(ctx context.Context, job store.Job) (edge store.Edge, without string, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		edge, without, err = edgeIn(tx, job)
		if err != nil || without != "" {
			return err
		}
		edge, err = tx.Edge(edge.Owner)
		return err
	})
	return edge, without, err
}

// edgeIn is edgeOf in a transaction, without the password. Where an edge is the domain's,
// it takes nothing for an account that is gone or shut out.
func edgeIn(tx store.Tx, job store.Job) (edge store.Edge, without string, err error) {
	account, held, err := pushHolder(tx, job)
	switch {
	case err != nil:
		return edge, "", err
	case !held:
		return edge, goneAccount, nil
	case account.Disabled:
		return edge, "its account is disabled", nil
	}
	edge, ok, err := store.EdgeFor(tx, account.Address)
	if err == nil && !ok {
		without = "its account has no edge any more"
	}
	return edge, without, err
}

// goneAccount is told of what reached nobody since its account was removed.
const goneAccount = "its account is not there any more"

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
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	src, err = forData(ctx, src)
	if reason.Of(err) == reason.Malformed {
		return []smtp.Result{{Recipient: job.Recipients[0], Code: reason.Malformed, Text: clip(err.Error())}}, nil
	}
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
func (e *pushEnd) commit(tx store.Tx) ([]tracked, error) {
	stored, err := tx.Job(e.job.ID)
	if err != nil {
		return nil, err
	}
	switch {
	case e.cut:
		return nil, nil
	case e.noEdge:
		_, without, err := edgeIn(tx, stored)
		if err != nil || without == "" {
			return nil, err // there is one again, which the next attempt is at
		}
		return e.toInbox(tx, stored, reason.OK, without)
	case len(e.again) > 0:
		all, err := e.stillWaits(tx, stored)
		if err != nil {
			return nil, err
		}
		return all, putAgain(tx, e.later())
	case len(e.failed) > 0 && !answers(stored):
		// Nobody else would learn of it: what cannot be answered, such as a notification
		// for the account, is not lost.
		return e.toInbox(tx, stored, e.failed[0].code, e.failed[0].detail)
	}
	state, code := store.TrackDelivered, reason.OK
	if len(e.failed) > 0 {
		state, code = store.TrackFailed, e.failed[0].code
	}
	return e.endPush(tx, stored, state, code, e.outcomes...)
}

// toInbox puts the message into the account's mailbox after all, if it may have mail.
// Nothing goes to whoever has the address since.
func (e *pushEnd) toInbox(tx store.Tx, job store.Job, code reason.Code, why string) ([]tracked, error) {
	o := outcome{recipient: job.Recipients[0], state: store.TrackDelivered, stage: store.StagePush, pushing: 0}
	account, held, err := pushHolder(tx, job)
	switch { // as deliver has it
	case err != nil:
		return nil, err
	case !held:
		o.state, o.code, o.detail = store.TrackFailed, reason.UnknownRecipient, goneAccount
	case account.Disabled && answers(job): // what nobody would hear of is not lost
		o.state, o.code, o.detail = store.TrackFailed, reason.RecipientDisabled, why
	}
	if !o.code.IsOK() {
		return e.endPush(tx, job, store.TrackFailed, o.code, o)
	}
	inbox, err := tx.MailboxByName(account.Address, store.Inbox)
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
	return e.endPush(tx, job, store.TrackDelivered, reason.OK, o)
}
