package gateway

import (
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A failure is a recipient that could not be served, and why.
type failure struct {
	recipient mime.Address
	code      reason.Code
	detail    string
	status    string // enhanced status the far side gave, "" for the reason's own
}

// Waiting times between attempts: they double from the first to the last.
const (
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
)

// retry is the job with the recipients that are to be tried again, due after
// its waiting time.
func retry(j store.Job, again []failure, now time.Time) store.Job {
	j.Recipients = nil
	for _, f := range again {
		j.Recipients = append(j.Recipients, f.recipient)
	}
	j.Reason, j.Detail = again[0].code.String(), again[0].detail
	return postpone(j, now)
}

// postpone counts an attempt and sets the next one.
func postpone(j store.Job, now time.Time) store.Job {
	wait := lastRetry
	if j.Attempts < 7 { // 30 s doubled seven times is past an hour
		wait = min(firstRetry<<j.Attempts, lastRetry)
	}
	j.Attempts++
	j.Due = now.Add(wait)
	if j.Due.After(j.Expires) && now.Before(j.Expires) {
		j.Due = j.Expires // one last attempt, whose failure is told
	}
	return j
}
