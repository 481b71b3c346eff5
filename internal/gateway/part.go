package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A part is what an opening does for the recipients that share their keys.
type part struct {
	*opening
	opened *sta.Opened
	// deliveries are the verified message as it is delivered; none when nobody accepts
	// it. byRecipient says whose is which, by Address.Key.
	deliveries  []*delivery
	byRecipient map[string]*delivery
	digest      string  // of the message as it was signed: SHA-256 in hexadecimal
	report      *report // what it says, if it is a notification
	mdns        []ownMDN
	// Of the latest transaction: the answers it lacks, from whom a notification is
	// kept, by Address.Key, and what it did to other messages.
	lacking []failure
	named   []naming // the pushes that answer for the recipient that it is about
	hidden  map[string]hiding
	news    []news
	// readers are, of a notification about messages that are known, who may read what is
	// told of them, by the Address.Key of whom it is addressed to.
	readers map[string]target
}

func (p *part) discard() {
	for _, d := range p.deliveries {
		d.body.Discard()
	}
	for _, m := range p.mdns {
		if m.body != nil {
			m.body.Discard()
		}
	}
}

// prepare does all that takes time: the inner message is spooled and the
// answers are composed.
func (p *part) prepare(ctx context.Context) error {
	var accepted []mime.Address
	for _, v := range p.opened.Verdicts {
		if v.Accepted() {
			accepted = append(accepted, v.Recipient)
		}
	}
	if len(accepted) == 0 {
		return nil
	}
	err := p.spool(ctx)
	if unreadable(err) {
		p.refuse(err)
		return nil
	}
	if err != nil {
		return err
	}
	if mime.IsNotification(p.opened.Header) {
		// A notification is never answered (AS-86).
		p.report, err = p.readReport()
		return err
	}
	for _, a := range accepted {
		err := p.composeAnswers(ctx, a)
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse takes back what was accepted, for a message that was signed and cannot
// be read, such as one whose wrapper has a broken transfer encoding.
func (p *part) refuse(why error) {
	p.discard()
	p.deliveries, p.byRecipient = nil, nil
	takeBack(p.opened, why)
}

// takeBack refuses to all what cannot be read.
func takeBack(o *sta.Opened, why error) {
	for i := range o.Verdicts {
		v := &o.Verdicts[i]
		if v.Accepted() {
			v.Code, v.Detail = reason.Malformed, why.Error()
		}
	}
}

// commit writes the deliveries and the answers and returns what became of each
// recipient.
func (p *part) commit(tx store.Tx) ([]outcome, error) {
	p.lacking = nil
	err := p.hear(tx)
	if err != nil {
		return nil, err
	}
	var outcomes []outcome
	bodies := make(map[*delivery]store.BodyID)
	for _, v := range p.opened.Verdicts {
		if !v.Accepted() {
			state := store.TrackRefused
			if p.open(v) {
				state = store.TrackQueued
			}
			outcomes = append(outcomes, outcome{recipient: v.Recipient, state: state, stage: store.StageOpen, code: v.Code, detail: v.Detail})
			continue
		}
		p.named = nil
		delivered, err := p.deliver(tx, v.Recipient, bodies)
		if err != nil {
			return nil, err
		}
		if delivered.again {
			outcomes = append(outcomes, delivered)
			continue
		}
		outcomes = append(outcomes, outcome{
			recipient: v.Recipient, stage: store.StageOpen, code: reason.OK,
			detail: describeSigner(v, p.now), revocation: worst(v.Trust.Revocations),
		}, delivered)
		answered, err := p.answer(tx, delivered)
		if err != nil {
			return nil, err
		}
		outcomes = append(outcomes, answered...)
	}
	return outcomes, nil
}

func delivered(to mime.Address, how string) outcome {
	return outcome{recipient: to, state: store.TrackDelivered, stage: store.StageDeliver, code: reason.OK, detail: how}
}

// describeSigner tells the track whom a message was believed from, by which
// anchor, and what was known of revocation when.
func describeSigner(v sta.Verdict, at time.Time) string {
	s := "signed by " + trust.WriteName(v.Signer.Subject)
	if v.Trust.Anchor != nil {
		s += ", anchor " + trust.WriteName(v.Trust.Anchor.Subject)
	}
	for i, r := range v.Trust.Revocations {
		s += "; revocation of "
		if i == 0 {
			s += "the signer: "
		} else {
			s += trust.WriteName(r.Certificate.Subject) + ": "
		}
		s += describeRevocation(r, at)
	}
	return s
}

func describeRevocation(r trust.Revocation, at time.Time) string {
	if r.Method == "" {
		return string(cmp.Or(r.Status, "not asked"))
	}
	return fmt.Sprintf("%s by %s, %s old", r.Status, r.Method, at.Sub(r.ThisUpdate).Round(time.Minute))
}

// worst is the state of the certificate of a path of which least is known, for
// the log; "" where there was none to ask for.
func worst(all []trust.Revocation) trust.RevocationStatus {
	order := []trust.RevocationStatus{trust.NotRevoked, trust.RevocationUnstated, trust.RevocationUnknown}
	var found trust.RevocationStatus
	for _, r := range all {
		if slices.Index(order, r.Status) > slices.Index(order, found) {
			found = r.Status
		}
	}
	return found
}
