package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postern/internal/audit"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
	"postern/trust/reason"
)

// An ownMDN is an answer of ours for one recipient.
type ownMDN struct {
	recipient   mime.Address
	to          mime.Address
	disposition mdn.Disposition
	messageID   string
	body        store.BodyWriter
}

// composeMDN writes the answer for one recipient: processed when its mailbox
// is there, failed when it is not (AS-93, DN-8). A message that cannot be
// answered, for want of a Message-ID, is delivered all the same.
func (p *part) composeMDN(ctx context.Context, from mime.Address) error {
	why := reason.OK
	_, here := p.dir.Account(from)
	if !here {
		why = reason.UnknownRecipient
	}
	disposition := mdn.Disposition(why.Outcome().Disposition)
	n, err := mdn.Answer(p.opened.Header, from, disposition)
	if errors.Is(err, mdn.ErrUnanswerable) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("composing a notification: %w", err)
	}
	n.To = []mime.Address{p.answerTo(n.To)}
	n.Date, n.MessageID = p.now, mime.NewMessageID(string(from.Domain()), p.Rand)
	n.ReportingUA = p.Hostname + "; Postern"
	text, err := n.Compose(p.Rand)
	if err != nil {
		return fmt.Errorf("composing a notification: %w", err)
	}
	m := ownMDN{recipient: from, to: n.To[0], disposition: disposition, messageID: n.MessageID}
	m.body, err = p.Store.NewBody(ctx)
	if err != nil {
		return err
	}
	p.mdns = append(p.mdns, m)
	_, err = m.body.Write(text)
	return err
}

// saysOtherwise reports whether the answer composed for a recipient is not what
// is true in the transaction: whether its mailbox is there.
func (p *part) saysOtherwise(recipient mime.Address, here bool) bool {
	return slices.ContainsFunc(p.mdns, func(m ownMDN) bool {
		return m.recipient.Same(recipient) && (m.disposition == mdn.Processed) != here
	})
}

// answerTo is where a notification goes: where the message asks for it if that
// is one address of the sender's own domain, else to the sender (AS-92). A
// request for answers to somebody else's domain is not followed: it would let
// a sender aim our answers at others (RFC 8098 §2.1).
func (p *part) answerTo(asked []mime.Address) mime.Address {
	if len(asked) == 1 && asked[0].Domain() == p.opened.Sender.Domain() {
		return asked[0]
	}
	return p.opened.Sender
}

// answer queues the notifications as messages of their recipients: signed,
// encrypted and checked like any other (AS-87).
func (p *part) answer(tx store.Tx, outcomes *[]outcome) error {
	for _, m := range p.mdns {
		id, err := p.queueMDN(tx, m)
		if err != nil {
			return err
		}
		*outcomes = append(*outcomes, outcome{
			recipient: m.recipient, stage: "notify", detail: string(m.disposition) + " to " + m.to.String() + " as " + string(id),
		})
	}
	return nil
}

// queueMDN returns the id under which the notification has its own track.
func (p *part) queueMDN(tx store.Tx, m ownMDN) (store.TrackID, error) {
	id, err := tx.PutBody(m.body)
	if err != nil {
		return "", err
	}
	to := []mime.Address{m.to}
	// RFC 8098 §3 would have a null reverse-path, but agents refuse a message
	// whose MAIL FROM is not its From (AS-55); loops are ruled out by AS-86.
	track, err := p.newTrack(m.messageID, m.recipient, to, m.body.Size(), p.now)
	if err != nil {
		return "", err
	}
	track.Outbound, track.Automatic = true, true
	err = beginTrack(tx, audit.Notified, audit.System, track, store.Event{At: p.now, Stage: "accept", Detail: string(m.disposition) + " notification for " + string(p.job.Track)})
	if err != nil {
		return "", err
	}
	_, err = tx.Enqueue(store.Job{
		Kind: store.SealJob, Track: track.ID, Body: id, Size: m.body.Size(),
		Sender: m.recipient, Recipients: to, Automatic: true,
		Created: p.due, Due: p.due, Expires: p.expiry(true),
	})
	return track.ID, err
}
