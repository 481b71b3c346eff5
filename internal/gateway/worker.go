package gateway

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"postern/internal/gateway/task"
	"postern/store"
	"postern/trust/reason"
)

// A step does one job. An error means that nothing was done and the job is to
// be tried again.
type step func(context.Context, store.Job) error

// Work runs the steps of both ways until ctx is done. Then no other job is begun,
// and Work returns when the steps under way have ended, such as a relay in the
// middle of its message; after drainTime they are cut off. What is not done stays
// queued as it was.
func (c *Core) Work(ctx context.Context) {
	steps, stop := outlasting(ctx, drainTime)
	defer stop()
	var all sync.WaitGroup
	for _, p := range c.pools(ctx) {
		c.Store.Limit(p.kind, p.limits)
		for range p.workers {
			all.Go(func() { c.workOn(ctx, steps, p) })
		}
	}
	all.Wait()
	c.waits.Wait()
}

// A pool is who works on one kind of job.
type pool struct {
	kind    store.JobKind
	do      step
	workers int
	limits  store.Limits
}

// pools are who does what until ctx is done. Sealing and relaying mostly wait for
// others; opening is work of our own.
func (c *Core) pools(ctx context.Context) []pool {
	seal := pool{kind: store.SealJob, do: c.seal}
	seal.workers, seal.limits = outward(lookupWidth)
	relay := pool{kind: store.RelayJob, do: c.relay}
	relay.workers, relay.limits = outward(c.PerDestination)
	push := pool{kind: store.PushJob, do: c.push}
	push.workers, push.limits = outward(c.PerDestination)
	hook := pool{kind: store.HookJob, do: c.hook}
	hook.workers, hook.limits = c.toHooks()
	return []pool{
		seal, relay, push, hook,
		{kind: store.OpenJob, do: c.openUntil(ctx), workers: 2 * runtime.GOMAXPROCS(0)},
		{kind: store.WatchJob, do: c.watch, workers: watchers},
		{kind: store.KeptJob, do: c.drop, workers: 1},
	}
}

// outlasting is a context that is done some time after ctx is. stop ends it at
// once.
func outlasting(ctx context.Context, by time.Duration) (longer context.Context, stop context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unwatch := context.AfterFunc(ctx, func() {
		if task.Pause(longer, by) {
			cancel()
		}
	})
	return longer, func() {
		unwatch()
		cancel()
	}
}

// Waits after the store could not be read or written.
const (
	storePause        = time.Second
	longestStorePause = 30 * time.Second
)

// workOn claims jobs until ctx is done; their steps go on in steps.
func (c *Core) workOn(ctx, steps context.Context, p pool) {
	for c.awaitSpace(ctx) {
		job, err := c.Store.Claim(ctx, p.kind)
		if err == nil && c.shortage.short() { // since it asked
			c.Store.Release(job.ID)
			continue
		}
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, store.ErrClosed) {
				return
			}
			c.Log.Error("asking for work failed", "kind", p.kind, "err", err)
			if !task.Pause(ctx, storePause) {
				return
			}
			continue
		}
		c.doStep(steps, job, p.do)
	}
}

// errGoesOn is returned by a step that goes on beside its worker and releases its
// job itself.
var errGoesOn = errors.New("the step goes on")

// doStep runs one step and, when it fails, puts the job back for later. Whatever
// becomes of the job, the claim on it ends after the step and not before: nobody
// else works on it at the same time.
func (c *Core) doStep(ctx context.Context, job store.Job, do step) {
	err := c.guarded(ctx, job, do)
	if errors.Is(err, errGoesOn) {
		return
	}
	defer c.Store.Release(job.ID)
	if err == nil || ctx.Err() != nil || errors.Is(err, errOvertaken) {
		return
	}
	now := c.Steady()
	job.Detail = err.Error()
	if errors.Is(err, store.ErrFull) {
		// No attempt: when there is space, nothing should wait for an hour. Something
		// smaller may fit meanwhile.
		c.storeFull(err)
		job.Reason, job.Due = reason.StorageFull.String(), now.Add(firstRetry)
		c.putBack(ctx, job)
		return
	}
	c.Log.Error("step failed", "kind", job.Kind, "track", job.Track, "attempt", job.Attempts+1, "err", err)
	job.Reason = reason.Internal.String()
	if !now.Before(job.Expires) && c.giveUp(context.WithoutCancel(ctx), job, err) {
		return
	}
	c.putBack(ctx, postpone(job, now, c.uneven), outcomes(job, "", reason.Internal, err.Error())...)
}

// putBack stores a job that is to be done later, and why in its track.
func (c *Core) putBack(ctx context.Context, job store.Job, why ...outcome) {
	err := c.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		if len(why) > 0 {
			err := record(tx, job.Track, c.Now(), why)
			if err != nil {
				return err
			}
		}
		return putAgain(tx, job)
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return // an operator dropped it
	case errors.Is(err, store.ErrFull):
		c.storeFull(err) // it is done again with all that waits
		return
	case err != nil:
		c.Log.Error("putting a job back failed", "track", job.Track, "err", err)
		// Its claim ends in a while, for when not even its new date could be
		// written. The pause grows while that goes on.
		task.Pause(ctx, growing(int(c.unwritten.Add(1)-1)))
		return
	}
	c.unwritten.Store(0)
}

// insist repeats a commit until it succeeds: what it writes down has happened
// and must not happen again. It gives up when ctx is done, the store is closed
// or the job is gone.
func (c *Core) insist(ctx context.Context, job store.Job, commit func() error) error {
	for n := 0; ; n++ {
		err := commit()
		if err == nil || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrNotFound) {
			return err
		}
		if errors.Is(err, store.ErrFull) {
			c.storeFull(err) // which is told once for all
		} else {
			c.Log.Error("what was done cannot be written down; trying again", "kind", job.Kind, "track", job.Track, "err", err)
		}
		if !task.Pause(ctx, growing(n)) {
			return err
		}
	}
}

// growing is the wait after a store could not be written n times before.
func growing(n int) time.Duration {
	if n > 4 { // a second doubled five times is past the longest
		return longestStorePause
	}
	return storePause << n
}

// guarded is the last net under a step: a panic is an error of this job alone.
func (c *Core) guarded(ctx context.Context, job store.Job, do step) error {
	err := task.Contained(func() error { return do(ctx, job) })
	var p *task.PanicError
	if errors.As(err, &p) {
		c.Log.Error("a step panicked", "track", job.Track, "err", p, "stack", p.Stack)
	}
	return err
}
