package gateway

import (
	"context"
	"fmt"
	"time"

	"postern/store"
)

// A BundleHealth is how fresh a bundle is.
type BundleHealth struct {
	store.Bundle
	State store.BundleState
	// Age is how long ago a good set was fetched last, changed or not; for a bundle
	// that never was, since it was added.
	Age time.Duration
	// Stale is true when Age is more than two intervals, or than two days of a
	// bundle that is fetched only by hand.
	Stale bool
}

// staleByHand is when a bundle without an interval is stale. A community expects
// a new anchor to be known everywhere by then (TB-11).
const staleByHand = 48 * time.Hour

// BundleReport returns how fresh each bundle is, in the order of their names.
func (c *Core) BundleReport(ctx context.Context) ([]BundleHealth, error) {
	var report []BundleHealth
	now := c.Now()
	err := c.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Bundles()
		if err != nil {
			return err
		}
		for _, b := range all {
			s, err := tx.BundleState(b.Name)
			if b.Damaged {
				s, err = store.BundleState{}, nil
			}
			if err != nil {
				return err
			}
			report = append(report, HealthOf(b, s, now))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the bundles: %w", err)
	}
	return report, nil
}

// HealthOf returns how fresh a bundle is at a time, of what is known of it.
func HealthOf(b store.Bundle, s store.BundleState, now time.Time) BundleHealth {
	since := s.Succeeded
	if since.IsZero() {
		since = b.Created
	}
	h := BundleHealth{Bundle: b, State: s, Age: max(now.Sub(since), 0)}
	limit := 2 * b.Every
	if b.Every == 0 {
		limit = staleByHand
	}
	h.Stale = h.Age > limit
	return h
}
