package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"postern/mime"
	"postern/mime/dsn"
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
}

// waits returns what the sender of a message waits for; begun is when it was
// accepted. What has its final answer waits for nothing (DN-11, DN-13, DN-30).
func (n Notify) waits(t store.Track, r store.TrackRecipient, begun time.Time) (waiting, bool) {
	switch {
	case !t.Outbound || t.Automatic || r.Told != "":
	case r.State == store.TrackQueued || r.State == store.TrackSealed:
		return waiting{begun.Add(n.DelayedAfter), reason.OK}, n.DelayedAfter > 0 && r.Delayed.IsZero()
	case r.Relayed.IsZero():
	case r.State == store.TrackRelayed:
		return waiting{r.Relayed.Add(n.ProcessedWithin), reason.NoProcessed}, true
	case r.State == store.TrackProcessed && t.Timely:
		return waiting{r.Relayed.Add(n.DispatchedWithin), reason.NoDispatched}, true
	}
	return waiting{}, false
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
	t, err := tx.Track(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil || !t.Outbound || t.Automatic {
		return err
	}
	before := t.Watch
	err = c.setWatch(tx, &t)
	if err != nil || t.Watch == before {
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
		job = store.Job{Kind: store.WatchJob, Track: t.ID, Sender: t.Sender, Created: now}
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

// errMoved ends a transaction that found another state than its notice was
// composed for.
var errMoved = errors.New("the message moved while its sender was about to be told")

// maxRewrites bounds how often a transaction is prepared anew because of what
// others did meanwhile.
const maxRewrites = 5

// watch ends the waits of a message that are over: its sender is told, and what
// comes later counts for nothing (DN-14 to DN-16). It may be done twice: what was
// told is in the track, of the same transaction.
func (c *Core) watch(ctx context.Context, job store.Job) error {
	for range maxRewrites {
		w, err := c.overdue(ctx, job)
		if err != nil {
			return err
		}
		err = w.end(ctx)
		if err == nil {
			c.tell(job.Track, w.outcomes)
			c.counts.overdue.Add(uint64(len(w.failed)))
		}
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

// A watching is one run of the watch step.
type watching struct {
	*Core
	job       store.Job
	now, due  time.Time
	messageID string
	failed    []failure // overdue
	late      []mime.Address
	outcomes  []outcome // of the latest transaction
}

// overdue finds out whose waits are over.
func (c *Core) overdue(ctx context.Context, job store.Job) (*watching, error) {
	w := &watching{Core: c, job: job, now: c.Now(), due: c.Steady()}
	err := c.Store.View(ctx, func(tx store.Tx) error {
		t, err := tx.Track(job.Track)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		w.messageID = t.MessageID
		w.failed, w.late = w.ended(t)
		return err
	})
	return w, err
}

// ended lists the recipients of a track whose waits are over.
func (w *watching) ended(t store.Track) (failed []failure, late []mime.Address) {
	for _, r := range t.Recipients {
		wait, waits := w.Notify.waits(t, r, w.job.Created)
		switch {
		case !waits || wait.until.After(w.due):
		case wait.code.IsOK():
			late = append(late, r.Address)
		default:
			failed = append(failed, failure{recipient: r.Address, code: wait.code, detail: "nothing came in time"})
		}
	}
	return failed, late
}

// end tells the sender and writes it down.
func (w *watching) end(ctx context.Context) error {
	failed, err := w.compose(ctx, w.failedRecipients())
	if err != nil {
		return err
	}
	defer discard(failed)
	late, err := w.compose(ctx, w.lateRecipients())
	if err != nil {
		return err
	}
	defer discard(late)
	return w.Store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Job(w.job.ID)
		if errors.Is(err, store.ErrNotFound) {
			w.outcomes, w.failed = nil, nil
			return nil // the wait ended meanwhile
		}
		if err != nil {
			return err
		}
		t, err := tx.Track(w.job.Track)
		if errors.Is(err, store.ErrNotFound) {
			return tx.Finish(w.job.ID)
		}
		if err != nil {
			return err
		}
		err = w.write(tx, &t)
		if err != nil {
			return err
		}
		err = w.deliverNotice(tx, w.job, failed)
		if err != nil {
			return err
		}
		return w.deliverNotice(tx, w.job, late)
	})
}

func discard(b store.BodyWriter) {
	if b != nil {
		b.Discard()
	}
}

func (w *watching) failedRecipients() []dsn.Recipient {
	var all []dsn.Recipient
	for _, f := range w.failed {
		all = append(all, failedRecipient(f))
	}
	return all
}

// lateRecipients are those of a message that still waits to be handed over.
func (w *watching) lateRecipients() []dsn.Recipient {
	var all []dsn.Recipient
	until := w.now.Add(w.job.Created.Add(w.RetryFor).Sub(w.due))
	for _, a := range w.late {
		all = append(all, lateRecipient(a, until))
	}
	return all
}

// compose writes a notice about recipients, or nil about none.
func (w *watching) compose(ctx context.Context, recipients []dsn.Recipient) (store.BodyWriter, error) {
	if len(recipients) == 0 {
		return nil, nil
	}
	return w.composeDSN(ctx, w.job, recipients, nil, w.messageID)
}

// write moves the recipients whose waits are over, if they are still those that
// the notices are about.
func (w *watching) write(tx store.Tx, t *store.Track) error {
	failed, late := w.ended(*t)
	if !slices.Equal(failed, w.failed) || !slices.Equal(late, w.late) {
		return errMoved
	}
	w.outcomes = nil
	for _, f := range failed {
		w.outcomes = append(w.outcomes, outcome{
			recipient: f.recipient, state: store.TrackOverdue, answer: store.ToldFailure,
			stage: store.StageMonitor, code: f.code, detail: f.detail,
		})
	}
	for _, a := range late {
		w.outcomes = append(w.outcomes, outcome{recipient: a, stage: store.StageMonitor, detail: "its sender was told that it is late"})
	}
	err := record(tx, t.ID, w.now, w.outcomes)
	if err != nil {
		return err
	}
	*t, err = tx.Track(t.ID)
	if err != nil {
		return err
	}
	for _, a := range late {
		recipientOf(t, a).Delayed = w.now
	}
	if t.Watch != w.job.ID {
		err := tx.Finish(w.job.ID) // another job watches it
		if err != nil {
			return err
		}
	}
	err = w.setWatch(tx, t)
	if err != nil {
		return err
	}
	return tx.PutTrack(*t)
}

func recipientOf(t *store.Track, a mime.Address) *store.TrackRecipient {
	i := slices.IndexFunc(t.Recipients, func(r store.TrackRecipient) bool { return r.Address.Same(a) })
	return &t.Recipients[i]
}
