package gateway

import (
	"context"

	"postern/internal/gateway/task"
	"postern/store"
	"postern/trust/reason"
)

// giveUp ends a job whose step still fails when its time is over, and reports
// whether it did. It needs nothing of the message, which may be what the step
// fails over: the sender of an outgoing message is told from job and track alone
// if it must be, and an incoming one is refused and kept for an operator. An event for a
// web hook is lost, which its hook tells.
func (c *Core) giveUp(ctx context.Context, job store.Job, why error) bool {
	var done []outcome
	err := task.Contained(func() (err error) {
		switch job.Kind {
		case store.SealJob, store.RelayJob:
			done = outcomes(job, store.TrackFailed, reason.QueueExpired, why.Error())
			return c.fail(ctx, job, done)
		case store.OpenJob:
			done = outcomes(job, store.TrackRefused, reason.Internal, why.Error())
			return c.refuse(ctx, job, done)
		case store.PushJob:
			return c.giveUpPush(ctx, job, why)
		case store.HookJob:
			return c.giveUpHook(ctx, job, why)
		case store.WatchJob:
			return c.Store.Update(ctx, func(tx store.Tx) error { return c.finish(tx, job) })
		}
		return why
	})
	if err != nil {
		c.Log.Error("a job that fails cannot be ended either", "kind", job.Kind, "track", job.Track, "err", err)
		return false
	}
	c.tell(job.Track, done)
	return true
}

// outcomes are the same for all recipients of a job.
func outcomes(job store.Job, state store.TrackState, code reason.Code, detail string) []outcome {
	var all []outcome
	for _, a := range job.Recipients {
		all = append(all, outcome{recipient: a, state: state, stage: string(job.Kind), code: code, detail: detail})
	}
	return all
}

// fail ends an outgoing message and tells its sender.
func (c *Core) fail(ctx context.Context, job store.Job, done []outcome) error {
	end := ending{job: job, at: c.Now(), done: done, failed: failuresOf(done)}
	return c.endOutgoing(ctx, end, func(tx store.Tx) error { return c.finish(tx, job) })
}

// refuse ends an incoming message; its sealed original is kept.
func (c *Core) refuse(ctx context.Context, job store.Job, done []outcome) error {
	return c.Store.Update(ctx, func(tx store.Tx) error {
		err := record(tx, job.Track, c.Now(), done)
		if err != nil {
			return err
		}
		err = c.letGo(tx, job.Next)
		if err != nil {
			return err
		}
		return c.keepOriginal(tx, job)
	})
}
