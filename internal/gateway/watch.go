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
			c.counts.overdue.Add(uint64(w.told))
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
	job      store.Job
	now, due time.Time
	failed   []failure      // overdue
	late     []failure      // not handed over yet, with the reason of the latest attempt
	passed   []mime.Address // handed over, of which the sender wants to know
	// Of the latest transaction.
	outcomes []outcome
	told     int // of failed
}

// overdue finds out whose waits are over.
func (c *Core) overdue(ctx context.Context, job store.Job) (*watching, error) {
	w := &watching{Core: c, job: job, now: c.Now(), due: c.Steady()}
	err := c.Store.View(ctx, func(tx store.Tx) error {
		t, _, err := trackOf(tx, job.Track)
		w.failed, w.late, w.passed = w.ended(t)
		return err
	})
	return w, err
}

// ended lists the recipients of a track whose waits are over.
func (w *watching) ended(t store.Track) (failed, late []failure, passed []mime.Address) {
	for _, r := range t.Recipients {
		wait, waits := w.Notify.waits(t, r, w.job.Created)
		switch {
		case !waits || wait.until.After(w.due):
		case wait.passed:
			passed = append(passed, r.Address)
		case wait.code.IsOK():
			late = append(late, failure{recipient: r.Address, code: reason.Code(r.Reason)})
		default:
			failed = append(failed, failure{recipient: r.Address, code: wait.code, detail: "nothing came in time"})
		}
	}
	return failed, late, passed
}

// end tells the sender and writes it down.
func (w *watching) end(ctx context.Context) error {
	late, err := w.noticeOf(ctx, w.job, w.lateRecipients())
	if err != nil {
		return err
	}
	defer late.discard()
	passed, err := w.noticeOf(ctx, w.job, w.passedRecipients())
	if err != nil {
		return err
	}
	defer passed.discard()
	passed.success = true
	failed, err := w.failureNotice(ctx, w.job, w.failed)
	if err != nil {
		return err
	}
	defer failed.discard()
	return w.Store.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Job(w.job.ID)
		if errors.Is(err, store.ErrNotFound) {
			w.outcomes, w.told = nil, 0
			return nil // the wait ended meanwhile
		}
		if err != nil {
			return err
		}
		t, known, err := trackOf(tx, w.job.Track)
		if err != nil {
			return err
		}
		if !known {
			return tx.Finish(w.job.ID)
		}
		s, err := w.settle(tx, w.job, w.failed)
		if err != nil {
			return err
		}
		if !failed.tells(s) {
			return errMoved
		}
		err = w.write(tx, &t, s)
		if err != nil {
			return err
		}
		err = w.tellOf(tx, w.job, s, w.now, failed)
		if err != nil {
			return err
		}
		err = w.deliverNotice(tx, w.job, late)
		if err != nil {
			return err
		}
		return w.deliverNotice(tx, w.job, passed)
	})
}

// lateRecipients are those of a message that still waits to be handed over.
func (w *watching) lateRecipients() []dsn.Recipient {
	var all []dsn.Recipient
	until := w.now.Add(w.job.Created.Add(w.RetryFor).Sub(w.due))
	for _, f := range w.late {
		all = append(all, lateRecipient(f, until))
	}
	return all
}

// passedRecipients are those to whose side the message was handed over.
func (w *watching) passedRecipients() []dsn.Recipient {
	var all []dsn.Recipient
	for _, a := range w.passed {
		all = append(all, dsn.Recipient{
			Final: a, Action: dsn.Relayed, Status: "2.0.0",
			Sentence: "the message was encrypted and handed over; notices of its delivery come from the other side",
		})
	}
	return all
}

// write moves the recipients whose waits are over, if they are still those that
// the notices are about.
func (w *watching) write(tx store.Tx, t *store.Track, s settling) error {
	failed, late, passed := w.ended(*t)
	if !slices.Equal(failed, w.failed) || !slices.Equal(late, w.late) || !slices.Equal(passed, w.passed) {
		return errMoved
	}
	w.outcomes, w.told = nil, len(s.tell)
	for _, f := range failed {
		w.outcomes = append(w.outcomes, outcome{
			recipient: f.recipient, state: store.TrackOverdue, stage: store.StageMonitor, code: f.code, detail: f.detail,
		})
	}
	w.outcomes = s.over(w.outcomes)
	for _, f := range late {
		w.outcomes = append(w.outcomes, outcome{recipient: f.recipient, stage: store.StageMonitor, detail: "its sender was told that it is late"})
	}
	for _, a := range passed {
		w.outcomes = append(w.outcomes, outcome{recipient: a, stage: store.StageMonitor, detail: "its sender was told that it was handed over"})
	}
	err := record(tx, t.ID, w.now, w.outcomes)
	if err != nil {
		return err
	}
	*t, err = tx.Track(t.ID)
	if err != nil {
		return err
	}
	for _, f := range late {
		recipientOf(t, f.recipient).Delayed = w.now
	}
	for _, a := range passed {
		recipientOf(t, a).Passed = w.now
	}
	if t.Watch != w.job.ID {
		err := tx.Finish(w.job.ID) // another job watches it
		if err != nil {
			return err
		}
	}
	_, err = w.announce(tx, t)
	if err != nil {
		return err
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
