package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/mime"
	"postern/mime/mdn"
	"postern/sta"
	"postern/store"
)

// An opening is one run of the open step: what is worked out before its
// transaction, so that the transaction only writes.
type opening struct {
	*Core
	job    store.Job
	dir    *Directory
	opened *sta.Opened
	now    time.Time
	inner  store.BodyWriter // the verified message; nil when nobody accepts it
	notice *notice          // what it says, if it is a notification
	mdns   []ownMDN
}

// An ownMDN is an answer of ours for one recipient.
type ownMDN struct {
	recipient   mime.Address
	to          mime.Address
	disposition mdn.Disposition
	messageID   string
	body        store.BodyWriter
}

func (o *opening) discard() {
	if o.inner != nil {
		o.inner.Discard()
	}
	for _, m := range o.mdns {
		m.body.Discard()
	}
}

// prepare does all that takes time: the inner message is spooled and the
// answers are composed.
func (o *opening) prepare(ctx context.Context) error {
	var accepted []mime.Address
	for _, v := range o.opened.Verdicts {
		if v.Accepted() {
			accepted = append(accepted, v.Recipient)
		}
	}
	if len(accepted) == 0 {
		return nil
	}
	err := o.spoolInner(ctx)
	if err != nil {
		return err
	}
	if mime.IsNotification(o.opened.Header) {
		// Nothing automatic is ever answered (AS-86).
		o.notice, err = o.readNotice()
		return err
	}
	for _, a := range accepted {
		err := o.composeMDN(ctx, a)
		if err != nil {
			return err
		}
	}
	return nil
}

// composeMDN writes the answer for one recipient: processed when its mailbox
// is there, failed when it is not (AS-93, DN-8). A message that cannot be
// answered, for want of a Message-ID, is delivered all the same.
func (o *opening) composeMDN(ctx context.Context, from mime.Address) error {
	disposition := mdn.Processed
	_, here := o.dir.Account(from)
	if !here {
		disposition = mdn.Failed
	}
	n, err := mdn.Answer(o.opened.Header, from, disposition)
	if errors.Is(err, mdn.ErrUnanswerable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("composing a notification: %w", err)
	}
	n.To = []mime.Address{o.answerTo(n.To)}
	n.Date, n.MessageID = o.now, mime.NewMessageID(string(from.Domain()), o.Rand)
	n.ReportingUA = o.Hostname + "; Postern"
	text, err := n.Compose(o.Rand)
	if err != nil {
		return fmt.Errorf("composing a notification: %w", err)
	}
	m := ownMDN{recipient: from, to: n.To[0], disposition: disposition, messageID: n.MessageID}
	m.body, err = o.Store.NewBody(ctx)
	if err != nil {
		return err
	}
	o.mdns = append(o.mdns, m)
	_, err = m.body.Write(text)
	return err
}

// answerTo is where a notification goes: where the message asks for it if that
// is one address of the sender's own domain, else to the sender (AS-92). A
// request for answers to somebody else's domain is not followed: it would let
// a sender aim our answers at others (RFC 8098 §2.1).
func (o *opening) answerTo(asked []mime.Address) mime.Address {
	if len(asked) == 1 && asked[0].Domain() == o.opened.Sender.Domain() {
		return asked[0]
	}
	return o.opened.Sender
}

// answer queues the notifications as messages of their recipients: signed,
// encrypted and checked like any other (AS-87).
func (o *opening) answer(tx store.Tx, outcomes *[]outcome) error {
	for _, m := range o.mdns {
		err := o.queueMDN(tx, m)
		if err != nil {
			return err
		}
		*outcomes = append(*outcomes, outcome{
			recipient: m.recipient, stage: "notify", detail: string(m.disposition) + " to " + m.to.String(),
		})
	}
	return nil
}

func (o *opening) queueMDN(tx store.Tx, m ownMDN) error {
	id, err := tx.PutBody(m.body)
	if err != nil {
		return err
	}
	to := []mime.Address{m.to}
	// RFC 8098 §3 would have a null reverse-path, but agents refuse a message
	// whose MAIL FROM is not its From (AS-55); loops are ruled out by AS-86.
	track, err := o.newTrack(m.messageID, m.recipient, to, m.body.Size(), o.now)
	if err != nil {
		return err
	}
	track.Outbound, track.Automatic = true, true
	err = putTrack(tx, track, store.Event{At: o.now, Stage: "accept", Detail: string(m.disposition) + " notification for " + string(o.job.Track)})
	if err != nil {
		return err
	}
	_, err = tx.Enqueue(store.Job{
		Kind: store.SealJob, Track: track.ID, Body: id, Size: m.body.Size(),
		Sender: m.recipient, Recipients: to, Automatic: true,
		Created: o.now, Due: o.now, Expires: o.now.Add(o.RetryFor),
	})
	return err
}
