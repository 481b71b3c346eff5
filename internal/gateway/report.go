package gateway

import (
	"errors"
	"fmt"

	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
	"postern/trust/reason"
)

// A report is what an incoming MDN or DSN says about messages of ours.
type report struct {
	ids     []string // that may be the original's, the best first
	entries []reportEntry
}

// A reportEntry is what it says of one recipient.
type reportEntry struct {
	recipient mime.Address // its final recipient, zero if it names none
	original  mime.Address // as it was written by the sender; may be zero
	word      word
	code      reason.Code
	detail    string
}

// readReport reads the report of an incoming notification. One that cannot be
// read is delivered all the same, and moves nothing.
func (p *part) readReport() (*report, error) {
	message, err := p.opened.Message(mime.Limits{})
	if err != nil {
		return nil, err
	}
	m, err := mdn.Parse(message, mime.Limits{})
	if err == nil {
		return mdnReport(m), nil
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
		return dsnReport(d), nil
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

func mdnReport(m *mdn.Notification) *report {
	e := reportEntry{recipient: m.FinalRecipient, original: m.OriginalRecipient, detail: "MDN " + clip(string(m.Disposition))}
	if e.recipient.IsZero() && e.original.IsZero() {
		e.recipient = m.From // CP-16
	}
	switch {
	case m.Failure():
		e.word, e.code = wordFailed, reason.PeerRefused
	case m.Disposition == mdn.Processed:
		e.word = wordProcessed
	case m.Disposition == mdn.Dispatched && m.FinalDestination:
		e.word = wordDispatched
	case m.Disposition == mdn.Dispatched:
		e.word = wordHandedOver
	case m.Disposition == mdn.Displayed:
		e.word = wordDisplayed
	}
	return &report{ids: m.OriginalIDs, entries: []reportEntry{e}}
}

func dsnReport(d *dsn.Notification) *report {
	n := &report{ids: d.OriginalIDs}
	for _, r := range d.Recipients {
		e := reportEntry{recipient: r.Final, original: r.Original}
		e.detail = clip(fmt.Sprintf("DSN %s %s %s", r.Action, r.Status, r.Diagnostic))
		switch r.Action {
		case dsn.Failed:
			e.word, e.code = wordFailed, reason.PeerRefused
		case dsn.Delivered:
			e.word = wordHandedOver
		case dsn.Relayed, dsn.Expanded:
			e.word = wordPassed
		}
		n.entries = append(n.entries, e)
	}
	return n
}

// maxQuoted bounds what the far side's words may take in a track, in octets.
const maxQuoted = 300

// clip leaves of others' words what can stand in one line of ours.
func clip(s string) string {
	var b []byte
	for i := 0; i < len(s) && len(b) < maxQuoted; i++ {
		if s[i] >= ' ' && s[i] <= '~' {
			b = append(b, s[i])
		}
	}
	return string(b)
}
