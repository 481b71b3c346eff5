package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/internal/audit"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

const (
	// maxMailboxes is how many mailboxes one transaction puts a message into, roughly:
	// an address with more, which has store.MaxMembers at most, is not split.
	maxMailboxes = 5000
	// maxToldApart bounds the addresses of one message that the reader is told apart
	// by: each needs a copy of its own.
	maxToldApart = 8
)

// deliveredTo is the field that says which address a message came by (RFC 9228), where
// that is not the account's own.
const deliveredTo = "Delivered-To"

// toldApart reports whether the reader is told that the message came by this address.
// To and Cc name it anyway, if many do (AS-56).
func (o *opening) toldApart(to mime.Address) bool {
	n, other := 0, false
	for _, a := range o.job.Recipients {
		_, account := o.dir.Account(a)
		if !account {
			n++
			other = other || a.Same(to)
		}
	}
	return other && n <= maxToldApart
}

// atOnce divides recipients into those whose mailboxes one transaction reaches, one at
// least, and the rest.
func (d *Directory) atOnce(all []mime.Address) (now, later []mime.Address) {
	mailboxes := 0
	for i, a := range all {
		mailboxes += max(1, len(d.find(a).members))
		if mailboxes > maxMailboxes && i > 0 {
			return all[:i:i], all[i:]
		}
	}
	return all, nil
}

// goesOn is the job with the recipients that are still to be judged: at once, where
// there were too many for one transaction, and otherwise after a wait.
func (o *opening) goesOn(again []failure) store.Job {
	if len(o.later) == 0 {
		return retry(o.job, again, o.due, o.uneven)
	}
	j := o.job
	j.Recipients, j.Due = slices.Clone(o.later), o.due
	for _, f := range again {
		j.Recipients = append(j.Recipients, f.recipient)
	}
	return j
}

// A reached is a mailbox with a message, by the digest of what is in it.
type reached struct {
	box    store.MailboxID
	digest string
}

// An arrival is where a message is: in a mailbox, as the words say, or in a push.
type arrival struct {
	where string
	push  *pushing
}

// deliver puts the message into the INBOX of everybody whom the recipient stands for.
func (p *part) deliver(tx store.Tx, to mime.Address, bodies map[*delivery]store.BodyID) (outcome, error) {
	h, hidden := p.hidden[to.Key()]
	if hidden {
		return keptBack(to, h), nil
	}
	t, err := p.targetOf(tx, to)
	if err != nil {
		return outcome{}, err
	}
	damaged, err := isDamaged(tx, t)
	if err != nil {
		return outcome{}, err
	}
	if damaged {
		return p.untilMended(to), nil
	}
	// It may have been closed after RCPT TO was answered (DN-8).
	refused := t.check(to)
	if refused != nil {
		return undelivered(to, reason.Of(refused), goneAccount), nil
	}
	var all []memberOutcome
	for _, m := range t.open() {
		o, err := p.deliverTo(tx, to, m.Address, bodies)
		if err != nil {
			return outcome{}, err
		}
		all = append(all, memberOutcome{m.Address, o})
	}
	return together(to, t, all), nil
}

// isDamaged reports whether it cannot be told who is to get a message, or where one of
// them gets his mail.
func isDamaged(tx store.Tx, t target) (bool, error) {
	if t.isDamaged() {
		return true, nil
	}
	for _, m := range t.open() {
		_, _, err := store.EdgeFor(tx, m.Address)
		if errors.Is(err, store.ErrCorrupt) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}

// untilMended has a recipient wait whose records are damaged, while the others get the
// message. A group waits as a whole: its sender learns that it failed if it did for one.
func (p *part) untilMended(to mime.Address) outcome {
	const why = "a record of who gets it is damaged"
	if !p.due.Before(p.job.Expires) {
		return undelivered(to, reason.Internal, why)
	}
	o := undelivered(to, reason.Internal, why+": it waits until that is mended")
	o.state, o.again = store.TrackQueued, true
	return o
}

// targetOf finds out where the message goes. What is told about messages that were sent
// from an address without a mailbox goes to who handed them in.
func (p *part) targetOf(tx store.Tx, to mime.Address) (target, error) {
	readers, known := p.readers[to.Key()]
	if known {
		return readers, nil
	}
	b := p.book(tx)
	t, err := findIn(b, to, p.job.Era)
	if err != nil || t.exists() || p.report == nil && !mime.IsNotification(p.opened.Header) {
		return t, err
	}
	account, err := p.sentAsIn(tx, to, p.job.Era)
	if err != nil || account.IsZero() {
		return t, err
	}
	return readersAt(b, account, p.job.Era)
}

// deliverTo puts the message into the INBOX of one account. The first delivery of a body
// makes it part of the store; the others share it.
func (p *part) deliverTo(tx store.Tx, to, account mime.Address, bodies map[*delivery]store.BodyID) (outcome, error) {
	inbox, err := tx.MailboxByName(account, store.Inbox)
	if err != nil {
		return outcome{}, err
	}
	place := reached{inbox.ID, p.digest}
	at, here := p.reached[place]
	switch { // it was written to under another address too
	case here && at.push != nil:
		return p.join(at.push, to), nil
	case here:
		return delivered(to, at.where), nil
	}
	before, known, err := p.deliveredBefore(tx, inbox.ID)
	if err != nil {
		return outcome{}, err
	}
	if known {
		return p.duplicate(tx, place, to, before)
	}
	d := p.byRecipient[to.Key()]
	edge, pushed, err := store.EdgeFor(tx, account)
	if err != nil {
		return outcome{}, err
	}
	if pushed {
		return p.toEdge(tx, place, to, account, edge, bodies)
	}
	full, err := p.tooFull(tx, account, d.body.Size())
	if err != nil {
		return outcome{}, err
	}
	if full {
		return undelivered(to, reason.MailboxFull, "the mailboxes are full"), nil
	}
	if bodies[d] == 0 {
		bodies[d], err = d.body.Put(tx)
		if err != nil {
			return outcome{}, err
		}
	}
	m, err := tx.Append(inbox.ID, store.Message{
		Body: bodies[d], Size: d.body.Size(), Received: p.now, Track: p.job.Track,
	})
	if err != nil {
		return outcome{}, err
	}
	err = p.arrived(tx, inbox, m, mime.IsNotification(p.opened.Header))
	if err != nil {
		return outcome{}, err
	}
	err = p.remember(tx, inbox.ID)
	if err != nil {
		return outcome{}, err
	}
	where := fmt.Sprintf("INBOX, UID %d", m.UID)
	p.reached[place] = arrival{where: where}
	return delivered(to, where), nil
}

// A memberOutcome is what became of the message for one account.
type memberOutcome struct {
	account mime.Address
	outcome
}

// together is what became of an address by what became of the accounts behind it. A
// group has a message when each of its members has it: its sender is told that it failed
// where one has not, for nobody else would ever tell that one. Members that are shut out
// do not count.
func together(to mime.Address, t target, all []memberOutcome) outcome {
	if !t.group {
		o := all[0].outcome
		if !all[0].account.Same(to) {
			o.detail = all[0].account.String() + ": " + o.detail
		}
		return o
	}
	var without []memberOutcome
	duplicate := true
	for _, m := range all {
		duplicate = duplicate && m.duplicate
		if !m.code.IsOK() {
			without = append(without, m)
		}
	}
	pushing := 0
	for _, m := range all {
		pushing += m.pushing
	}
	who := listOf(all, func(m memberOutcome) string { return m.account.String() + " " + m.detail })
	if len(without) == 0 {
		o := delivered(to, fmt.Sprintf("%d members: %s", len(all), who))
		o.duplicate, o.members = duplicate, membersTold(all)
		o.pushing = pushing
		if pushing > 0 {
			o.state = store.TrackQueued
		}
		return o
	}
	lack := listOf(without, func(m memberOutcome) string { return m.account.String() + " " + m.code.String() })
	o := undelivered(to, without[0].code, fmt.Sprintf("%d of %d members have it; not: %s", len(all)-len(without), len(all), lack))
	o.partly, o.members = len(without) < len(all), membersTold(all)
	if !slices.ContainsFunc(without, func(m memberOutcome) bool { return !m.unanswered }) {
		o.state, o.unanswered = store.TrackRefused, true
	}
	o.pushing = pushing
	return o
}

// membersTold tells the audit trail what became of the members of a group.
func membersTold(all []memberOutcome) []audit.Part {
	parts := make([]audit.Part, len(all))
	for i, m := range all {
		parts[i].Recipient = m.account.String()
		m.become(&parts[i])
	}
	return parts
}

// whyUndelivered is what the sender is told beside the disposition.
func (f failure) whyUndelivered() string {
	public := f.code.Outcome().Public
	if !f.partly {
		return public
	}
	return strings.Join([]string{"some of those behind this address have the message, and not all", public}, ": ")
}
