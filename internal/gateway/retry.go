package gateway

import (
	"encoding/binary"
	"io"
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
	said      string // the reply of the far side, in its own words; "" if it gave none
	slow      bool   // the destination takes no more for the moment
	partly    bool   // some of the members of a group have the message
	// Of what was tried for too long: why the latest attempt failed, and since when
	// the destination has been down, zero if it has not or that is not known.
	last  reason.Code
	since time.Time
}

// expired is a failure that would be tried again if there were time.
func (f failure) expired(since time.Time) failure {
	f.last, f.since, f.code, f.status = f.code, since, reason.QueueExpired, ""
	return f
}

// overdue reports whether nothing was heard in time, which is no certain failure.
func (f failure) overdue() bool {
	return f.code == reason.NoProcessed || f.code == reason.NoDispatched
}

// Waiting times between attempts: they double from the first to the last, and
// each is shorter or longer by up to a fifth, so that what failed together does
// not come together again.
const (
	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
	jitterPart = 5
)

// automaticRetryFor is how long notifications are tried at most. Senders wait an
// hour for them (DN-17): one of yesterday tells nobody anything, and nobody is
// told of it either (AS-86).
const automaticRetryFor = 24 * time.Hour

// expiry is when a job that begins now is tried for the last time.
func (c *Core) expiry(automatic bool) time.Time {
	after := c.RetryFor
	if automatic {
		after = min(after, automaticRetryFor)
	}
	return c.Steady().Add(after)
}

// retry is the job with the recipients that are to be tried again, due after
// its waiting time.
func retry(j store.Job, again []failure, now time.Time, random io.Reader) store.Job {
	j.Recipients = nil
	for _, f := range again {
		j.Recipients = append(j.Recipients, f.recipient)
	}
	j.Reason, j.Detail = again[0].code.String(), again[0].detail
	return postpone(j, now, random)
}

// postpone counts an attempt and sets the next one.
func postpone(j store.Job, now time.Time, random io.Reader) store.Job {
	wait := jitter(doubled(firstRetry, lastRetry, j.Attempts-j.Ordered), random)
	j.Attempts++
	j.Due = now.Add(wait)
	if j.Due.After(j.Expires) && now.Before(j.Expires) {
		j.Due = j.Expires // one last attempt, whose failure is told
	}
	return j
}

// doubled is first, doubled n times, but not beyond last.
func doubled(first, last time.Duration, n int) time.Duration {
	for ; n > 0 && first < last; n-- {
		first *= 2
	}
	return min(first, last)
}

// jitter makes a wait shorter or longer by up to a fifth. Without randomness it
// stays what it is.
func jitter(wait time.Duration, random io.Reader) time.Duration {
	var octets [8]byte
	_, err := io.ReadFull(random, octets[:])
	if err != nil || wait < jitterPart {
		return wait
	}
	most := wait / jitterPart
	return wait - most + time.Duration(binary.BigEndian.Uint64(octets[:])%uint64(2*most+1))
}
