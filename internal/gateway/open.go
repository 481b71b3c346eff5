package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

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
	envelope := &sta.Envelope{MailFrom: job.Sender, RcptTo: job.Recipients}
	in := c.incoming(dir, src, envelope, job.Recipients, c.Now())
	opened, err := sta.Open(ctx, in)
	if err != nil {
		return err
	}
	step := &opening{Core: c, job: job, dir: dir, opened: opened, now: in.At}
	defer step.discard()
	err = step.prepare(ctx)
	if err != nil {
		return err
	}
	return c.Store.Update(ctx, step.commit)
}

// spoolInner writes the verified inner message to a body of its own.
func (o *opening) spoolInner(ctx context.Context) error {
	message, err := o.opened.Message(mime.Limits{})
	if err != nil {
		return fmt.Errorf("reading the opened message: %w", err)
	}
	o.inner, err = o.Store.NewBody(ctx)
	if err != nil {
		return err
	}
	_, err = io.Copy(o.inner, message)
	if err != nil {
		return fmt.Errorf("spooling the opened message: %w", err)
	}
	return nil
}

// commit ends the step: one transaction holds the deliveries, the answers, the
// track and the end of the job.
func (o *opening) commit(tx store.Tx) error {
	var outcomes []outcome
	var body store.BodyID
	var err error
	if o.inner != nil {
		body, err = tx.PutBody(o.inner)
		if err != nil {
			return err
		}
	}
	refused := 0
	for _, v := range o.opened.Verdicts {
		if !v.Accepted() {
			refused++
			outcomes = append(outcomes, outcome{v.Recipient, store.TrackRefused, "open", v.Code, v.Detail})
			continue
		}
		outcomes = append(outcomes, outcome{v.Recipient, "", "open", reason.OK, describeSigner(v)})
		delivered, err := o.deliver(tx, v.Recipient, body)
		if err != nil {
			return err
		}
		outcomes = append(outcomes, delivered)
	}
	err = o.answer(tx, &outcomes)
	if err != nil {
		return err
	}
	err = o.applyNotice(tx)
	if err != nil {
		return err
	}
	err = record(tx, o.job.Track, o.now, outcomes)
	if err != nil {
		return err
	}
	if refused == 0 {
		return tx.Finish(o.job.ID)
	}
	return o.keep(tx)
}

func describeSigner(v sta.Verdict) string {
	anchor := ""
	if v.Trust.Anchor != nil {
		anchor = ", anchor " + v.Trust.Anchor.Subject.String()
	}
	return "signed by " + v.Signer.Subject.String() + anchor
}

// deliver puts the message into the recipient's INBOX.
func (o *opening) deliver(tx store.Tx, to mime.Address, body store.BodyID) (outcome, error) {
	inbox, err := tx.MailboxByName(to, store.Inbox)
	if errors.Is(err, store.ErrNotFound) {
		// The account went away after RCPT TO was answered (DN-8).
		return outcome{to, store.TrackFailed, "deliver", reason.UnknownRecipient, "the account is gone"}, nil
	}
	if err != nil {
		return outcome{}, err
	}
	m, err := tx.Append(inbox.ID, store.Message{
		Body: body, Size: o.inner.Size(), Received: o.now, Track: o.job.Track,
	})
	if err != nil {
		return outcome{}, err
	}
	return outcome{to, store.TrackDelivered, "deliver", reason.OK, fmt.Sprintf("INBOX, UID %d", m.UID)}, nil
}

// keep leaves the sealed original of a refused message for an operator.
func (o *opening) keep(tx store.Tx) error {
	j := o.job
	j.Kind, j.Due, j.Expires = keptJob, o.now.Add(o.KeepRefused), o.now.Add(o.KeepRefused)
	j.Recipients = nil
	for _, v := range o.opened.Verdicts {
		if !v.Accepted() {
			j.Recipients = append(j.Recipients, v.Recipient)
			j.Reason, j.Detail = v.Code.String(), v.Detail
		}
	}
	return tx.Reschedule(j)
}

// drop ends the keeping of a refused message.
func (c *Core) drop(ctx context.Context, job store.Job) error {
	return c.Store.Update(ctx, func(tx store.Tx) error { return tx.Finish(job.ID) })
}
