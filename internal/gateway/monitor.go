package gateway

import (
	"errors"
	"time"

	"postern/store"
	"postern/trust/reason"
)

// Notify says how long a sender waits for what, by the steady clock, and what he
// is shown.
type Notify struct {
	// ProcessedWithin is how long after a message was handed over its processed
	// notification may take, and DispatchedWithin that of its final delivery, if
	// the sender asks for it (DN-14, DN-15, DN-17).
	ProcessedWithin, DispatchedWithin time.Duration
	// DelayedAfter is when the sender of a message that was not handed over yet is
	// told that it is late; 0 is never.
	DelayedAfter time.Duration
	// HideProcessed keeps processed notifications from the sender (DN-27).
	HideProcessed bool
}

// defaultNotifyWithin is the practice (DN-17).
const defaultNotifyWithin = time.Hour

// A waiting is what the sender waits for of one recipient.
type waiting struct {
	until time.Time
	code  reason.Code // what he is told then; OK is that it is late
	// passed says that he is told then that it was handed over.
	passed bool
}

// waits returns what the sender of a message waits for; begun is when it was
// accepted. What has its final answer waits for nothing (DN-11, DN-13, DN-30).
func (n Notify) waits(t store.Track, r store.TrackRecipient, begun time.Time) (waiting, bool) {
	switch {
	case !t.Outbound || t.Automatic:
	case r.Success && r.Passed.IsZero() && wasPassed(r):
		return waiting{until: begun, passed: true}, true
	case r.Told != "":
	case r.State == store.TrackQueued || r.State == store.TrackSealed:
		return waiting{until: begun.Add(n.DelayedAfter)}, n.DelayedAfter > 0 && r.Delayed.IsZero() && !r.NoDelay
	case r.Relayed.IsZero():
	case r.State == store.TrackRelayed:
		return waiting{until: r.Relayed.Add(n.ProcessedWithin), code: reason.NoProcessed}, true
	case r.State == store.TrackProcessed && t.Timely:
		return waiting{until: r.Relayed.Add(n.DispatchedWithin), code: reason.NoDispatched}, true
	}
	return waiting{}, false
}

// wasPassed reports whether a message was handed over to the recipient's side.
func wasPassed(r store.TrackRecipient) bool {
	return r.State == store.TrackRelayed || r.State == store.TrackProcessed || r.State == store.TrackDispatched
}

// awaits reports whether the answer of a far side is awaited, at a time: when the wait
// is over, the sender is told.
func (n Notify) awaits(t store.Track, r store.TrackRecipient, at time.Time) bool {
	w, waits := n.waits(t, r, time.Time{})
	return waits && !w.code.IsOK() && w.until.After(at)
}

// next returns the earliest end of a wait; zero if there is none.
func (n Notify) next(t store.Track, begun time.Time) time.Time {
	var next time.Time
	for _, r := range t.Recipients {
		w, waits := n.waits(t, r, begun)
		if waits && (next.IsZero() || w.until.Before(next)) {
			next = w.until
		}
	}
	return next
}

// rewatch has the job that watches a message follow what its track says now. It
// belongs into every transaction that moves the track of a message of ours.
func (c *Core) rewatch(tx store.Tx, id store.TrackID) error {
	t, known, err := trackOf(tx, id)
	if err != nil || !known || !t.Outbound || t.Automatic {
		return err
	}
	before := t.Watch
	announced, err := c.announce(tx, &t)
	if err != nil {
		return err
	}
	err = c.setWatch(tx, &t)
	if err != nil || t.Watch == before && !announced {
		return err
	}
	return tx.PutTrack(t)
}

// setWatch makes, moves or ends the one job that watches a message, which is due
// when the first of its waits is over.
func (c *Core) setWatch(tx store.Tx, t *store.Track) error {
	job, err := watchOf(tx, *t)
	if err != nil {
		return err
	}
	if job.ID == 0 {
		now := c.Steady()
		job = store.Job{Kind: store.WatchJob, Track: t.ID, Era: t.Era, Sender: t.Sender, Created: now}
	}
	next := c.Notify.next(*t, job.Created)
	switch {
	case next.IsZero() && job.ID == 0:
		t.Watch = 0
		return nil
	case next.IsZero():
		t.Watch = 0
		return tx.Finish(job.ID)
	case next.Equal(job.Due):
		return nil
	}
	job.Due, job.Expires = next, next.Add(c.RetryFor)
	if job.ID != 0 {
		return tx.Reschedule(job)
	}
	t.Watch, err = tx.Enqueue(job)
	return err
}

// watchOf returns the job that watches a message; a zero one if there is none.
func watchOf(tx store.Tx, t store.Track) (store.Job, error) {
	if t.Watch == 0 {
		return store.Job{}, nil
	}
	job, err := tx.Job(t.Watch)
	if errors.Is(err, store.ErrNotFound) || err == nil && (job.Kind != store.WatchJob || job.Track != t.ID) {
		return store.Job{}, nil
	}
	return job, err
}
