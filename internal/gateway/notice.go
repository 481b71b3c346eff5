package gateway

import (
	"errors"

	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A notice is what an incoming MDN or DSN says about messages of ours.
type notice struct {
	originalID string
	entries    []noticeEntry
}

type noticeEntry struct {
	recipient mime.Address
	state     store.TrackState
	code      reason.Code
	detail    string
}

// applyNotice moves the tracks of the original message on. A notification only
// speaks for whom its signer stands for (AS-93), and only about messages that the
// one it is addressed to has sent.
func (p *part) applyNotice(tx store.Tx) error {
	if p.notice == nil || p.notice.originalID == "" {
		return nil
	}
	tracks, err := tx.TracksByMessageID(p.notice.originalID)
	if err != nil {
		return err
	}
	for _, t := range tracks {
		if !t.Outbound {
			continue
		}
		v, ok := p.verdictFor(t.Sender)
		if !ok {
			continue
		}
		var outcomes []outcome
		for _, e := range p.notice.entries {
			if !speaksFor(v.Trust.Binding, p.opened.Sender, e.recipient) || settled(t, e.recipient) {
				continue
			}
			outcomes = append(outcomes, outcome{recipient: e.recipient, state: e.state, stage: "notify", code: e.code, detail: e.detail})
		}
		err := record(tx, t.ID, p.now, outcomes)
		if err != nil {
			return err
		}
	}
	return nil
}

// speaksFor reports whether a signer may say what became of a recipient: with a
// certificate of the domain for all of it, with one of an address for itself
// alone. A neighbour's word is not the recipient's.
func speaksFor(by trust.Binding, signer, recipient mime.Address) bool {
	if by == trust.ByDomain {
		return recipient.Domain() == signer.Domain()
	}
	return recipient.Same(signer)
}

// verdictFor returns the verdict by which the notification was accepted for a.
func (p *part) verdictFor(a mime.Address) (sta.Verdict, bool) {
	for _, v := range p.opened.Verdicts {
		if v.Accepted() && v.Recipient.Same(a) {
			return v, true
		}
	}
	return sta.Verdict{}, false
}

// settled reports whether the recipient is unknown to the track or had its
// final answer already (DN-21).
func settled(t store.Track, a mime.Address) bool {
	for _, r := range t.Recipients {
		if r.Address.Same(a) {
			return r.State == store.TrackFailed
		}
	}
	return true
}

// readNotice reads the report of an incoming notification. One that cannot be
// read is delivered all the same, and moves nothing.
func (p *part) readNotice() (*notice, error) {
	message, err := p.opened.Message(mime.Limits{})
	if err != nil {
		return nil, err
	}
	m, err := mdn.Parse(message, mime.Limits{})
	if err == nil {
		return mdnNotice(m), nil
	}
	if !unreadable(err) {
		return nil, err
	}
	message, err = p.opened.Message(mime.Limits{})
	if err != nil {
		return nil, err
	}
	d, err := dsn.Parse(message, mime.Limits{})
	if err == nil {
		return dsnNotice(d), nil
	}
	if !unreadable(err) {
		return nil, err
	}
	return nil, nil
}

// unreadable tells what is wrong with a message from what is wrong with reading
// it at the moment.
func unreadable(err error) bool {
	for _, known := range []error{mime.ErrNotReport, mime.ErrHeader, mime.ErrLimit, mime.ErrEncoding, mime.ErrMediaType, mime.ErrParts, mime.ErrAddress} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func mdnNotice(m *mdn.Notification) *notice {
	n := &notice{originalID: m.OriginalMessageID}
	recipient := m.FinalRecipient
	if recipient.IsZero() {
		recipient = m.From // CP-16
	}
	e := noticeEntry{recipient: recipient, detail: "MDN " + string(m.Disposition)}
	switch {
	case m.Failure():
		e.state, e.code = store.TrackFailed, reason.PeerRefused
	case m.Disposition == mdn.Processed || m.Disposition == mdn.Dispatched:
		e.state = store.TrackProcessed
	}
	// Any other, such as displayed, is noted and moves nothing (CP-17).
	n.entries = append(n.entries, e)
	return n
}

func dsnNotice(d *dsn.Notification) *notice {
	n := &notice{originalID: d.OriginalMessageID}
	for _, r := range d.Recipients {
		e := noticeEntry{recipient: r.Final, detail: "DSN " + string(r.Action) + " " + r.Status}
		if r.Action == dsn.Failed {
			e.state, e.code = store.TrackFailed, reason.PeerRefused
		}
		n.entries = append(n.entries, e)
	}
	return n
}
