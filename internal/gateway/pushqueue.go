package gateway

import (
	"errors"
	"fmt"

	"postern/internal/audit"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
	"postern/trust/reason"
)

// toEdge has the message handed to the edge of an account, instead of being put into
// its mailbox. It is final there, and its sender is told so, when the edge has taken it
// (DN-4, DN-10).
func (p *part) toEdge(tx store.Tx, place reached, to, account mime.Address, edge store.Edge, bodies map[*delivery]store.BodyID) (outcome, error) {
	d := p.byRecipient[to.Key()]
	// What waits for an edge takes room as it would in the mailbox.
	holder, err := tx.Account(account)
	if err != nil {
		return outcome{}, err
	}
	waits, err := tx.PushTotal(holder)
	if err != nil {
		return outcome{}, err
	}
	full, err := p.tooFull(tx, account, d.body.Size()+waits.Bytes)
	if err != nil {
		return outcome{}, err
	}
	if full {
		return undelivered(to, reason.MailboxFull, fmt.Sprintf("%d octets wait for the edge %s", waits.Bytes, edgeHost(edge))), nil
	}
	if bodies[d] == 0 {
		bodies[d], err = d.body.Put(tx)
		if err != nil {
			return outcome{}, err
		}
	}
	automatic := mime.IsNotification(p.opened.Header)
	j := p.pushTo(edge, account)
	j.Track, j.Body, j.Size, j.Automatic = p.job.Track, bodies[d], d.body.Size(), automatic
	j.Flow = flowOf(p.opened.Sender)
	j.Push.Timely = mdn.WantsFinalDelivery(p.opened.Header)
	if !automatic { // RFC 8098 §3: notifications have a null reverse-path
		j.Sender = p.opened.Sender
	}
	j.Push.Known, _ = p.deliveryKey(place.box)
	push := &pushing{job: j}
	p.pushes, p.reached[place] = append(p.pushes, push), arrival{push: push}
	return p.join(push, to), nil
}

// pushTo is a job for the edge of who has an account now, whenever the message was taken.
func (c *Core) pushTo(edge store.Edge, account mime.Address) store.Job {
	now := c.Steady()
	return store.Job{
		Kind: store.PushJob, Era: store.Now, Destination: mime.Domain(edgeLane(edge)), Lane: edgeLane(edge),
		Created: now, Due: now, Expires: c.expiry(false), Push: store.Push{Account: account},
	}
}

// pushNotice has a notice for a sender of ours handed to his edge (EP-14).
func (c *Core) pushNotice(tx store.Tx, job store.Job, n notice, account mime.Address, edge store.Edge, body store.BodyID) error {
	j := c.pushTo(edge, account)
	j.Track, j.Body, j.Size, j.Recipients, j.Automatic = job.Track, body, n.body.Size(), []mime.Address{account}, true
	j.Flow = flowOf(account)
	_, err := tx.Enqueue(j)
	if err != nil {
		return err
	}
	now := c.Now()
	return errors.Join(
		addEvent(tx, job.Track, store.Event{At: now, Stage: store.StageNotify, Reason: n.why.String(), Detail: fmt.Sprintf("%s to %s, for the edge %s", n, account, edgeHost(edge))}),
		tx.Audit(audit.Record{At: now, Actor: audit.System, Action: audit.Notified, Object: n.String(), Track: string(job.Track), Detail: "for the edge of " + account.String()}))
}
