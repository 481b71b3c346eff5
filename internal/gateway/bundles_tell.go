package gateway

import (
	"context"
	"crypto/x509"
	"log/slog"
	"time"

	"postern/store"
)

// How often the log repeats that a bundle is stale, and that it fails before.
const (
	tellStaleEvery   = 24 * time.Hour
	tellFailureEvery = time.Hour
)

// A reminder is when the log told last of each bundle.
type reminder map[string]time.Time

// due reports whether it is time to tell again, and takes it as told.
func (m reminder) due(name string, now time.Time, every time.Duration) bool {
	last, told := m[name]
	if told && now.Sub(last).Abs() < every { // Abs: a clock may be set back
		return false
	}
	m[name] = now
	return true
}

// tellStale logs a bundle that is stale, whatever its schedule is.
func (r *refresher) tellStale(h BundleHealth) {
	r.mu.Lock()
	tell := h.Stale && r.toldStale.due(h.Name, r.now(), tellStaleEvery)
	if !h.Stale {
		delete(r.toldStale, h.Name)
	}
	r.mu.Unlock()
	if tell {
		r.logHealth(slog.LevelError, "a bundle is stale: no good set came for too long", h)
	}
}

// tellFailure logs a try that failed: the first of a row always, and louder once
// the set is stale (TB-14).
func (r *refresher) tellFailure(h BundleHealth) {
	if h.Stale {
		r.tellStale(h)
		return
	}
	r.mu.Lock()
	if h.State.Failures == 1 {
		delete(r.toldFailing, h.Name)
	}
	tell := r.toldFailing.due(h.Name, r.now(), tellFailureEvery)
	r.mu.Unlock()
	if tell {
		r.logHealth(slog.LevelWarn, "a bundle could not be refreshed", h)
	}
}

func (r *refresher) logHealth(level slog.Level, text string, h BundleHealth) {
	if h.State.Anchors > 0 {
		text += "; its last good set counts on"
	} else {
		text += "; it has no anchors"
	}
	args := []any{"bundle", h.Name, "age", h.Age.Round(time.Second), "anchors", h.State.Anchors}
	if h.State.Failures > 0 {
		args = append(args, "kind", h.State.Failure, "detail", h.State.Detail, "failing_since", h.State.FailedSince, "failures", h.State.Failures)
	}
	r.log.Log(context.Background(), level, text, args...)
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
