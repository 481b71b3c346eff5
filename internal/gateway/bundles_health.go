package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
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

// tellFailure logs every failure, louder once the set is stale (TB-14). It is
// tried again within the hour, so that the log tells of it at least daily.
func (r *refresher) tellFailure(h BundleHealth) {
	level, text := slog.LevelWarn, "a bundle could not be refreshed; its last good set counts on"
	if h.Stale {
		level, text = slog.LevelError, "a bundle is stale: it could not be refreshed for too long"
	}
	r.log.Log(context.Background(), level, text,
		"bundle", h.Name, "kind", h.State.Failure, "detail", h.State.Detail, "failing_since", h.State.FailedSince,
		"failures", h.State.Failures, "age", h.Age.Round(time.Second), "anchors", h.State.Anchors)
}

// tellSuccess logs what changed, and the end of failures.
func (f *refreshing) tellSuccess() {
	if f.state.Failures > 0 {
		f.log.Info("a bundle is fresh again", "bundle", f.bundle.Name, "failing_since", f.state.FailedSince, "failures", f.state.Failures)
	}
	if f.result.Changed {
		f.log.Info("the anchors of a bundle changed", "bundle", f.bundle.Name, "anchors", f.result.Anchors, "bad", f.result.Bad,
			"added", len(f.result.Added), "removed", len(f.result.Removed),
			"added_anchors", someFingerprints(f.result.Added), "removed_anchors", someFingerprints(f.result.Removed))
	}
}

// someFingerprints returns those of the first few certificates, for the log.
func someFingerprints(certs []*x509.Certificate) []string {
	const most = 10
	var all []string
	for _, c := range certs[:min(len(certs), most)] {
		all = append(all, store.FingerprintOf(c.Raw).String())
	}
	return all
}
