package gateway

import (
	"context"
	"errors"
	"fmt"

	"postern/internal/audit"
	"postern/store"
	"postern/trust/reason"
)

// dropPush ends a push for an operator.
func (c *Core) dropPush(ctx context.Context, job store.Job, d dropping) error {
	var done []tracked
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		stored, err := c.droppable(tx, job, d)
		if err != nil {
			return err
		}
		if stored.Push.Ended != "" && !d.silent {
			return c.answerNow(tx, stored, d)
		}
		done, err = c.endDropped(tx, stored, d)
		return err
	})
	if err == nil {
		c.tellAll(done)
	}
	return err
}

// endDropped ends a push that an operator drops. The sender of the message has heard that
// it was processed, so that he is told that it failed, unless silent.
func (c *Core) endDropped(tx store.Tx, job store.Job, d dropping) ([]tracked, error) {
	o := outcome{recipient: job.Recipients[0], stage: store.StageQueue, code: reason.Dropped, detail: "dropped by " + d.actor, by: d.actor}
	if job.Push.Ended != "" {
		o.detail = "what its sender was still to be told was " + o.detail
		all := []tracked{{job.Track, []outcome{o}}}
		return all, errors.Join(record(tx, job.Track, c.Now(), all[0].done), c.finish(tx, job))
	}
	if d.silent {
		all := job.Names()
		for i := range all {
			all[i].Answers = false
		}
		job = job.Naming(all...)
	}
	o.state = store.TrackFailed
	return c.endPush(tx, job, store.TrackFailed, reason.Dropped, o)
}

// answerNow lets go what is left of a push that has ended, where an operator drops it and
// does not want silence: the answer to its sender, which says how it ended.
func (c *Core) answerNow(tx store.Tx, job store.Job, d dropping) error {
	const what = "let go, so that its sender is told what became of it"
	now := c.Now()
	return errors.Join(
		tx.Reschedule(c.LetGo(job)),
		addEvent(tx, job.Track, store.Event{At: now, Stage: store.StageQueue, Recipient: job.Recipients[0], Detail: what + ", by " + d.actor}),
		tx.Audit(audit.Record{At: now, Actor: d.actor, Action: audit.Changed, Object: fmt.Sprintf("push job %d", job.ID), Track: string(job.Track), Detail: what}))
}
