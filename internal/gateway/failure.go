package gateway

import (
	"time"

	"postern/mime/dsn"
	"postern/store"
	"postern/trust/reason"
)

// failuresOf are the outcomes by which recipients failed.
func failuresOf(done []outcome) []failure {
	var failed []failure
	for _, o := range done {
		if o.state == store.TrackFailed {
			failed = append(failed, failure{recipient: o.recipient, code: o.code, detail: o.detail})
		}
	}
	return failed
}

// lateRecipient is one that the message was not handed over to yet, though it
// should have been, with the reason of the latest attempt. It is tried until a time
// (RFC 3464 §2.3.3, §2.3.9).
func lateRecipient(f failure, until time.Time) dsn.Recipient {
	r := dsn.Recipient{
		Final: f.recipient, Action: dsn.Delayed, Status: "4.4.7", RetryUntil: until,
		Sentence: "the message could not be handed over yet",
		Hint:     "it is tried again; you need not send it anew",
	}
	if !f.code.IsOK() {
		r.Diagnostic = diagnostic(f)
	}
	return r
}

func failedRecipient(f failure) dsn.Recipient {
	o := f.code.Outcome()
	status := f.status
	if status == "" || status[0] != '5' {
		// An expired retry has a 4.x.x of its own; a failure is final (DN-23).
		status = finalStatus(o.Enhanced)
	}
	return dsn.Recipient{
		Final: f.recipient, Action: dsn.Failed, Status: status, Diagnostic: diagnostic(f),
		Sentence: f.sentence(), Said: reason.Line(f.said, maxQuoted), Hint: f.code.Advice(),
		Unconfirmed: f.overdue(),
	}
}

// sentence says what happened, and of what was tried for too long why.
func (f failure) sentence() string {
	s := f.code.Outcome().Public
	if f.last != "" {
		s += ": " + f.last.Outcome().Public
	}
	if !f.since.IsZero() {
		s += ", since " + f.since.UTC().Format("2006-01-02 15:04 UTC")
	}
	return s
}

// plain leaves of recipients what is ours.
func plain(recipients []dsn.Recipient) []dsn.Recipient {
	var all []dsn.Recipient
	for _, r := range recipients {
		r.Diagnostic, r.Asked = "", ""
		if r.Action == dsn.Failed {
			r.Status = "5.0.0"
		}
		all = append(all, r)
	}
	return all
}

// diagnostic is why a recipient was not served: the last words of a far side that
// said something (RFC 3464 §2.3.6), else a reason code of ours, and of what was tried
// for too long that of the latest attempt.
func diagnostic(f failure) string {
	if f.said != "" {
		return "smtp; " + f.said
	}
	text := "x-postern; " + f.code.String()
	if f.last != "" {
		text += ": " + f.last.String()
	}
	if !f.since.IsZero() {
		text += " since " + f.since.UTC().Format(time.RFC3339)
	}
	return text
}

func finalStatus(e reason.Enhanced) string {
	e[0] = 5
	return e.String()
}
