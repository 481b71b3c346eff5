package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/internal/audit"
	"postern/store"
	"postern/trust/reason"
)

// hook hands an event to a web hook. It may come more than once, with the same id: what
// the receiver took is known here alone until it is committed.
func (c *Core) hook(ctx context.Context, job store.Job) error {
	defer c.sending.begin(job.ID)() // what is on its way is not dropped: see dropJob
	shut := false
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		account, known, err := unlessMissing(tx.Account(job.Sender))
		if err != nil && !errors.Is(err, store.ErrCorrupt) {
			return err
		}
		shut = known && account.Disabled
		return standing(tx, job.ID)
	})
	if err != nil {
		return err
	}
	e := &hookEnd{Core: c, job: job, began: c.Steady()}
	h, err := c.hookOf(ctx, job.Sender, job.Hook)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.over = "the hook is gone"
	case err != nil:
		return err
	case h.Disabled != "":
		e.over = "the hook is disabled"
	case shut:
		e.over = "the account is disabled"
	default:
		e.try(ctx, h.Hook)
		if ctx.Err() != nil && !e.attempt.Taken() {
			return ctx.Err() // stopping is not the receiver's failure
		}
	}
	err = c.insist(ctx, job, func() error {
		return c.Store.Update(context.WithoutCancel(ctx), e.commit)
	})
	if err == nil {
		e.tell()
	}
	return err
}

// A hookEnd is what becomes of an event after an attempt.
type hookEnd struct {
	*Core
	job     store.Job
	began   time.Time // by the clock of the queue
	tried   bool
	attempt HookAttempt
	over    string // why it is not tried any more, though it was not taken
	gone    bool   // the receiver wants no more events
	full    bool   // as many wait as may: others were lost, or will be
	by      string // who ended it, for the audit trail; "" is the gateway itself
}

func (e *hookEnd) lane() laneID { return laneID{kind: store.HookJob, lane: e.job.Lane} }

// try makes an attempt, unless the time of the event is over while its host is left
// alone.
func (e *hookEnd) try(ctx context.Context, h store.Hook) {
	last := !e.began.Before(e.job.Expires)
	why, _, down := e.whyDown(e.lane())
	if last && down {
		e.over = "its time is over: " + why.detail
		return
	}
	e.tried = true
	e.attempt = e.post(ctx, h, e.job.Event)
	if ctx.Err() != nil {
		return
	}
	e.slowHooks.note(flowOf(e.job.Sender), e.attempt.Took, e.Steady())
	switch {
	case e.attempt.down:
		e.laneFailed(e.lane(), failure{code: reason.PeerUnreachable, detail: e.attempt.Error})
	case e.attempt.Status != 0:
		e.laneWorked(e.lane())
	}
	switch {
	case e.attempt.Taken():
	case e.attempt.Status == http.StatusGone:
		e.gone, e.over = true, "the receiver wants no more events"
	case last:
		e.over = "its time is over: " + e.attempt.Error
	}
}

// commit ends the attempt in one transaction. It may be called again after it failed.
func (e *hookEnd) commit(tx store.Tx) error {
	stored, err := tx.Job(e.job.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil // an operator dropped it
	}
	if err != nil {
		return err
	}
	err = e.note(tx)
	if err != nil {
		return err
	}
	if e.over == "" && !e.attempt.Taken() {
		return putAgain(tx, e.later())
	}
	err = e.record(tx)
	if err != nil {
		return err
	}
	if e.gone {
		err = e.disable(tx)
		if err != nil {
			return err
		}
	}
	return e.finish(tx, stored)
}

// record has the trail know what became of the event.
func (e *hookEnd) record(tx store.Tx) error {
	r := audit.Record{
		At: e.Now(), Actor: cmp.Or(e.by, audit.System), Action: audit.Notified, Track: string(e.job.Track),
		Object: hookObject(store.Hook{ID: e.job.Hook, Account: e.job.Sender}),
		Detail: fmt.Sprintf("%s, event %s: %s", e.job.Event.Type, e.job.Event.ID, e.attempt),
	}
	if e.over != "" {
		r.Action, r.Detail = audit.Dropped, fmt.Sprintf("%s, event %s: %s", e.job.Event.Type, e.job.Event.ID, e.over)
	}
	return tx.Audit(r)
}

// note writes down how deliveries to the hook go.
func (e *hookEnd) note(tx store.Tx) error {
	_, err := tx.Hook(e.job.Sender, e.job.Hook)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil && !errors.Is(err, store.ErrCorrupt) { // whose events end as well
		return err
	}
	s, err := hookState(tx, e.job.Sender, e.job.Hook)
	if err != nil {
		return err
	}
	now := e.Now()
	if e.over != "" {
		s.Lost++
		s.LostAt = now
	}
	e.full = s.Waiting >= maxHookWaiting
	if e.tried {
		s.LastAt, s.LastStatus, s.LastError = now, e.attempt.Status, e.attempt.told()
		switch {
		case e.attempt.Taken():
			s.Delivered++
			s.FailingSince = time.Time{}
		case s.FailingSince.IsZero():
			s.FailingSince = now
		}
	}
	return tx.PutHookState(e.job.Sender, e.job.Hook, s)
}

// disable ends a hook whose receiver said so (410).
func (e *hookEnd) disable(tx store.Tx) error {
	h, err := tx.Hook(e.job.Sender, e.job.Hook)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	h.Disabled = store.HookGone
	err = e.putHook(tx, h)
	if err != nil {
		return err
	}
	return tx.Audit(audit.Record{At: e.Now(), Actor: audit.System, Action: audit.Changed, Object: hookObject(h),
		Detail: "disabled: the receiver answers 410"})
}

// later is the job for another attempt. A receiver that wants to be left alone for a
// time is.
func (e *hookEnd) later() store.Job {
	j := e.job
	now := e.Steady()
	j.Reason, j.Detail = e.attempt.told(), e.attempt.Error
	j = e.inLane(e.lane(), postpone(j, now, e.uneven), e.began)
	asked := now.Add(min(e.attempt.retryAfter, lastRetry))
	if asked.After(j.Due) && asked.Before(j.Expires) {
		j.Due = asked
	}
	return j
}

// tell logs what came of it; of the URL the host alone, for the rest may be a secret.
func (e *hookEnd) tell() {
	if e.full {
		e.Log.Warn("a web hook has as many events waiting as it may: more are lost", "hook", e.job.Hook, "account", e.job.Sender, "waiting", maxHookWaiting)
	}
	attrs := []any{"hook", e.job.Hook, "account", e.job.Sender, "event", e.job.Event.ID, "type", e.job.Event.Type, "track", e.job.Track, "host", e.job.Destination}
	switch {
	case e.gone:
		e.Log.Warn("a web hook was disabled: its receiver wants no more events", attrs...)
	case e.over != "":
		e.Log.Warn("an event was lost", append(attrs, "why", e.over)...)
	case e.attempt.Taken():
		e.hookEvents.taken.Add(1)
		e.Log.Info("event", append(attrs, "status", e.attempt.Status)...)
	default:
		e.hookEvents.failed.Add(1)
		e.Log.Info("event not taken", append(attrs, "status", e.attempt.Status, "reason", cmp.Or(e.attempt.Error, "none"))...)
	}
}

// giveUpHook ends an event whose step fails although its time is over, such as where
// the secret of its hook cannot be read.
func (c *Core) giveUpHook(ctx context.Context, job store.Job, why error) error {
	e := &hookEnd{Core: c, job: job, over: "its time is over: " + why.Error()}
	err := c.Store.Update(ctx, e.commit)
	if err == nil {
		e.tell()
	}
	return err
}

// dropHook ends an event for an operator, which its hook has as lost. The message that it
// tells of is not touched.
func (c *Core) dropHook(ctx context.Context, job store.Job, d dropping) error {
	e := &hookEnd{Core: c, job: job, over: "dropped", by: d.actor}
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		_, err := c.droppable(tx, job, d)
		if err != nil {
			return err
		}
		return e.commit(tx)
	})
	if err == nil {
		e.tell()
	}
	return err
}
