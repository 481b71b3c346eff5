package gateway

import (
	"slices"
	"time"

	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
	"postern/trust/reason"
)

// toTell leaves those failures that the sender of a message has to be told of: he
// had no final answer yet (DN-21). The far side may have taken a message, and told
// so, of which we did not learn before the line broke. Nobody is told of what
// becomes of a notification (AS-86).
func toTell(tx store.Tx, job store.Job, failed []failure) ([]failure, error) {
	if len(failed) == 0 || job.Automatic || job.Sender.IsZero() {
		return nil, nil
	}
	t, known, err := trackOf(tx, job.Track)
	if err != nil || !known {
		return failed, err
	}
	copies, err := copiesOf(tx, t)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(failed), func(f failure) bool {
		return has(t, f.recipient, func(r store.TrackRecipient) bool { return r.Told != "" }) ||
			slices.ContainsFunc(copies, func(t store.Track) bool { return has(t, f.recipient, mayArrive) })
	}), nil
}

func has(t store.Track, a mime.Address, what func(store.TrackRecipient) bool) bool {
	return slices.ContainsFunc(t.Recipients, func(r store.TrackRecipient) bool { return r.Address.Same(a) && what(r) })
}

// mayArrive reports whether what a sender hears of the same message, handed in
// another time, is not that it failed: its last copy has the one final answer.
func mayArrive(r store.TrackRecipient) bool {
	underWay := r.State == store.TrackQueued || r.State == store.TrackSealed
	return r.Told == store.ToldSuccess || r.Told == "" && (underWay || !r.Relayed.IsZero())
}

// copiesOf returns the other tracks of a message that a client handed in more than
// once.
func copiesOf(tx store.Tx, t store.Track) ([]store.Track, error) {
	if t.MessageID == "" || t.Digest == "" {
		return nil, nil
	}
	return tracksOf(tx, t.MessageID, func(other store.Track) bool { return other.ID != t.ID && sameMessage(t, other) })
}

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
		Sentence: o.Public, Said: reason.Line(f.said, maxQuoted), Hint: f.code.Advice(),
		Unconfirmed: f.code == reason.NoProcessed || f.code == reason.NoDispatched,
	}
}

// plain leaves of recipients what is ours.
func plain(recipients []dsn.Recipient) []dsn.Recipient {
	var all []dsn.Recipient
	for _, r := range recipients {
		r.Diagnostic = ""
		if r.Action == dsn.Failed {
			r.Status = "5.0.0"
		}
		all = append(all, r)
	}
	return all
}

// diagnostic is why a recipient was not served: the last words of a far side that
// said something (RFC 3464 §2.3.6), else a reason code of ours.
func diagnostic(f failure) string {
	if f.said != "" {
		return "smtp; " + f.said
	}
	return "x-postern; " + f.code.String()
}

func finalStatus(e reason.Enhanced) string {
	e[0] = 5
	return e.String()
}
