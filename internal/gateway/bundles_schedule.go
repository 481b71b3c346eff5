package gateway

import (
	"context"
	"math/rand/v2"
	"time"

	"postern/store"
)

const (
	// retryBundle is the wait after the first failure; it doubles up to
	// maxRetryBundle, and is never longer than the bundle's own interval.
	retryBundle    = time.Minute
	maxRetryBundle = time.Hour
	// lookAgain is how long the schedule sleeps at most: a clock may be set.
	lookAgain = time.Minute
)

// nextAfterSuccess is when a bundle is due again: earlier than its interval by up
// to a tenth, so that those who began together come apart. It is zero for one
// that is fetched only by hand.
func nextAfterSuccess(b store.Bundle, now time.Time) time.Time {
	if b.Every <= 0 {
		return time.Time{}
	}
	return now.Add(earlier(b.Every))
}

// nextAfterFailure is when a bundle is tried again after so many failures.
func nextAfterFailure(b store.Bundle, failures int, now time.Time) time.Time {
	if b.Every <= 0 {
		return time.Time{}
	}
	wait := maxRetryBundle
	if failures < 7 {
		wait = retryBundle << (failures - 1)
	}
	return now.Add(earlier(min(wait, b.Every, maxRetryBundle)))
}

func earlier(d time.Duration) time.Duration { return d - rand.N(d/10+1) }

// dueIn returns how long until a bundle is to be fetched; zero or less is now.
// One that was not tried since it is what it is, is due at once; so is one whose
// time lies further ahead than its interval, because that was shortened or the
// clock was set back.
func dueIn(b store.Bundle, s store.BundleState, now time.Time) time.Duration {
	if s.Of != b.Definition() {
		return 0
	}
	wait := s.Next.Sub(now)
	if wait > b.Every {
		return 0
	}
	return wait
}

// run refreshes what is due, beginning with what became due while nobody ran,
// until ctx is done.
func (r *refresher) run(ctx context.Context) {
	for {
		timer := time.NewTimer(r.startDue(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.woken:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// startDue begins what is due, tells of what is stale and has nothing under way,
// and returns how long to wait until there may be more.
func (r *refresher) startDue(ctx context.Context) time.Duration {
	flying, paused := r.underWay() // before the states are read, which a flight that ends changes
	now, wait := r.now(), lookAgain
	type start struct {
		bundle store.Bundle
		whole  bool // because there is nothing to ask by
	}
	var due []start
	var waiting []BundleHealth
	err := r.store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Bundles()
		if err != nil {
			return err
		}
		for _, b := range all {
			if b.Damaged || flying[b.Name] == b.Definition() {
				continue
			}
			s, err := tx.BundleState(b.Name)
			if err != nil {
				return err
			}
			in := max(dueIn(b, s, now), paused[b.Name].Sub(now))
			if b.Every > 0 && in <= 0 {
				due = append(due, start{b, s.ETag == ""})
				continue
			}
			if b.Every > 0 {
				wait = min(wait, in)
			}
			waiting = append(waiting, HealthOf(b, s, now))
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		r.log.Error("which bundles are due cannot be read", "err", err)
	}
	if ctx.Err() != nil {
		return wait
	}
	for _, d := range due {
		r.start(d.bundle, d.whole)
	}
	for _, h := range waiting {
		r.tellStale(h)
	}
	return wait
}
