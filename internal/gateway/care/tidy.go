package care

import (
	"context"
	"sync/atomic"
	"time"

	"postern/internal/gateway/task"
)

// What is no longer needed goes in the background: in transactions that hold
// nobody up for long, with pauses that leave the store to others for most of the
// time.
const (
	tidyEvery = time.Hour
	// restFor is how many times as long as it worked the tidying rests.
	restFor   = 4
	shortRest = time.Millisecond
)

// A tidying counts what it did, for the metrics.
type tidying struct {
	tracks  atomic.Uint64 // pruned
	expired atomic.Uint64 // messages that left their mailboxes for their age
	unread  atomic.Pointer[map[string]int]
	told    time.Time // when the unread were last reported, by the steady clock
}

// keepTidy tidies up at once and then every hour, until ctx is done.
func (k *Keeper) keepTidy(ctx context.Context) {
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		k.Tidy(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Tidy does all there is to do. What fails is tried again in an hour, and keeps
// nothing else from being done.
func (k *Keeper) Tidy(ctx context.Context) {
	for _, chore := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"tracks", k.pruneTracks},
		{"former addresses", k.pruneFormers}, // once the tracks of their time are gone
		{"deliveries", k.pruneDelivered},
		{"requests", k.pruneRequests},
		{"senders", k.pruneSentAs},
		{"audit trail", k.pruneAudit},
		{"mailboxes", k.expireMail},
		{"unread mail", k.reportUnread},
	} {
		err := task.Contained(func() error { return chore.do(ctx) })
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			k.Log.Error("tidying up failed", "what", chore.what, "err", err)
		}
	}
}

// atLeisure calls a step of short work until it says that no more is left, with a
// rest after each.
func atLeisure(ctx context.Context, step func() (more bool, err error)) error {
	for {
		began := time.Now()
		more, err := step()
		if err != nil || !more {
			return err
		}
		if !task.Pause(ctx, max(restFor*time.Since(began), shortRest)) {
			return ctx.Err()
		}
	}
}

// cautiousNow is by what age is judged where records bear the time of the wall
// clock: a clock that leaps ahead makes nothing old.
func (k *Keeper) cautiousNow() time.Time {
	now, steady := k.Now(), k.Steady()
	if steady.Before(now) {
		return steady
	}
	return now
}
