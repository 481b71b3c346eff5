package gateway

import (
	"context"
	"errors"

	"postern/internal/audit"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// An ownMDN is a notification of ours about one recipient.
type ownMDN struct {
	recipient   mime.Address
	to          mime.Address
	disposition mdn.Disposition
	replies     string // see echo
	messageID   string
	body        store.BodyWriter // nil if it could not be composed
}

// composeAnswers writes what a recipient answers when the message reaches his
// mailbox: processed (AS-85, AS-93) and, if the sender asks for it, dispatched
// (DN-4, DN-6).
func (p *part) composeAnswers(ctx context.Context, from mime.Address) error {
	e, err := p.echoOf(ctx, from)
	if err != nil || e.ends {
		return err
	}
	err = p.composeMDN(ctx, ownMDN{recipient: from, disposition: mdn.Processed, replies: e.replies}, "")
	if err == nil && mdn.WantsFinalDelivery(p.opened.Header) {
		err = p.composeMDN(ctx, ownMDN{recipient: from, disposition: mdn.Dispatched}, "")
	}
	return err
}

// composeMDN writes one notification. A message that cannot be answered, such as for
// want of a Message-ID, is delivered all the same.
func (p *part) composeMDN(ctx context.Context, m ownMDN, why string) error {
	text, err := p.writeMDN(&m, why)
	if errors.Is(err, mdn.ErrUnanswerable) {
		return nil
	}
	if err != nil {
		p.Log.Error("a notification cannot be composed", "track", p.job.Track, "rcpt", m.recipient, "err", err)
		p.mdns = append(p.mdns, m)
		return nil
	}
	m.body, err = p.Store.NewBody(ctx)
	if err != nil {
		return err
	}
	p.mdns = append(p.mdns, m)
	_, err = m.body.Write(text)
	return err
}

func (p *part) writeMDN(m *ownMDN, why string) (text []byte, err error) {
	n, err := mdn.Answer(p.opened.Header, m.recipient, m.disposition)
	if err != nil {
		return nil, err
	}
	n.To = []mime.Address{p.answerTo(n.To)}
	n.Date, n.MessageID = p.now, mime.NewMessageID(string(m.recipient.Domain()), p.Rand)
	n.ReportingUA = p.Hostname + "; Postern"
	n.FinalDestination = m.disposition == mdn.Dispatched // DN-5
	n.Why = why
	m.to, m.messageID = n.To[0], n.MessageID
	err = task.Contained(func() (err error) {
		text, err = n.Compose(p.Rand)
		return err
	})
	return text, err
}

// mdn returns a notification that was composed, or nil.
func (p *part) mdn(recipient mime.Address, disposition mdn.Disposition) *ownMDN {
	for i, m := range p.mdns {
		if m.recipient.Same(recipient) && m.disposition == disposition {
			return &p.mdns[i]
		}
	}
	return nil
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

// errLacking ends a transaction that has to answer what was not composed: that
// the message cannot be delivered after all. It is composed, and the transaction
// tried again.
var errLacking = errors.New("a notification of failure is not composed yet")

// answer queues the notifications about one recipient as messages of his own:
// signed, encrypted and checked like any other (AS-87). Both processed and what
// follows it are of the same transaction as the delivery (DN-4, DN-8); what
// follows is held until processed is on its way (DN-10).
func (p *part) answer(tx store.Tx, delivery outcome) ([]outcome, error) {
	first := p.mdn(delivery.recipient, mdn.Processed)
	if first == nil || first.body == nil || delivery.unanswered {
		return nil, nil // it gets no answer
	}
	second := p.mdn(delivery.recipient, mdn.Dispatched)
	if delivery.pushing > 0 {
		second = nil // it follows when the edge has the message (DN-10)
	}
	if !delivery.code.IsOK() {
		second = p.mdn(delivery.recipient, mdn.Failed)
		if second == nil {
			p.lacking = append(p.lacking, failure{recipient: delivery.recipient, code: delivery.code, partly: delivery.partly})
			return nil, errLacking
		}
	}
	var next store.JobID
	var processed store.TrackID
	var outcomes []outcome
	for _, m := range []*ownMDN{second, first} {
		if m == nil || m.body == nil {
			continue
		}
		job, err := p.queueMDN(tx, *m, next, m == second)
		if err != nil {
			return nil, err
		}
		next, processed = job.ID, job.Track
		outcomes = append([]outcome{{
			recipient: m.recipient, stage: store.StageNotify, detail: string(m.disposition) + " to " + m.to.String() + " as " + string(job.Track),
		}}, outcomes...)
	}
	p.follow(processed)
	return outcomes, nil
}

// composeLacking composes what the latest transaction had to answer and could
// not.
func (p *part) composeLacking(ctx context.Context) error {
	for _, f := range p.lacking {
		err := p.composeMDN(ctx, ownMDN{recipient: f.recipient, disposition: mdn.Failed}, f.whyUndelivered())
		if err != nil {
			return err
		}
	}
	p.lacking = nil
	return nil
}

// queueMDN queues a notification, which has a track of its own. It is the word of whoever
// the message was for, and so of the era of that.
func (p *part) queueMDN(tx store.Tx, m ownMDN, next store.JobID, waits bool) (store.Job, error) {
	id, err := tx.PutBody(m.body)
	if err != nil {
		return store.Job{}, err
	}
	to := []mime.Address{m.to}
	// RFC 8098 §3 would have a null reverse-path, but agents refuse a message
	// whose MAIL FROM is not its From (AS-55); loops are ruled out by AS-86.
	track, err := p.newTrack(p.job.Era, m.messageID, m.recipient, to, m.body.Size(), p.now)
	if err != nil {
		return store.Job{}, err
	}
	track.Outbound, track.Automatic, track.Replies = true, true, m.replies
	err = beginTrack(tx, audit.Notified, audit.System, track, store.Event{At: p.now, Stage: store.StageAccept, Detail: string(m.disposition) + " notification for " + string(p.job.Track)})
	if err != nil {
		return store.Job{}, err
	}
	j := store.Job{
		Kind: store.SealJob, Track: track.ID, Era: p.job.Era, Body: id, Size: m.body.Size(),
		Sender: m.recipient, Recipients: to, Automatic: true, Flow: flowOf(m.recipient),
		Created: p.due, Due: p.due, Expires: p.expiry(true),
		Next: next, Waits: waits,
	}
	if waits {
		j.Detail = waitsForProcessed
	}
	j.ID, err = tx.Enqueue(j)
	return j, err
}
