package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/bundle"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A refreshing is one refresh of one bundle.
type refreshing struct {
	*refresher
	bundle store.Bundle // as it is fetched
	was    store.Bundle // as it is stored: the same, unless there is a change
	// change is made of the bundle by a fetch that succeeds; nil is none.
	change  BundleChange
	whole   bool              // the file is asked for, not whether there is another
	state   store.BundleState // before it
	content store.Fingerprint // of the set that what came is compared with
	result  RefreshResult
}

// fly waits for its turn, fetches a bundle and puts what came into the store.
// Failures of the fetch are in the result; the error is that of the store or of
// ctx.
func (f *refreshing) fly(ctx context.Context) (RefreshResult, error) {
	began := f.now()
	f.result.Name = f.bundle.Name
	err := f.gone(f.refresh(ctx))
	f.result.Took = f.now().Sub(began)
	return f.result, err
}

func (f *refreshing) refresh(ctx context.Context) error {
	prior, err := f.prior(ctx)
	if err != nil {
		return err
	}
	turn := f.good
	if f.state.Failures > 0 {
		turn = f.failing
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	fetched, err := f.fetch(ctx, prior)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return f.fail(ctx, err)
	case fetched.Unchanged:
		return f.succeed(ctx, fetched, nil)
	}
	return f.take(ctx, fetched)
}

// gone tells a bundle that is no longer what it was from what went wrong.
func (f *refreshing) gone(err error) error {
	if errors.Is(err, errSuperseded) || errors.Is(err, store.ErrNotFound) || errors.Is(err, context.Canceled) && f.ctx.Err() == nil {
		f.result.Failure, f.result.Detail = BundleSuperseded, "the bundle was removed or changed while it was fetched"
		return nil
	}
	if err != nil {
		return fmt.Errorf("refreshing bundle %s: %w", f.bundle.Name, err)
	}
	return nil
}

var errSuperseded = errors.New("the bundle is another now")

// prior reads what is known of the last fetch. What came from another URL, or
// was not checked for this signer, says nothing about what comes now; nor does
// what came of a set that is damaged, which has to come again.
func (f *refreshing) prior(ctx context.Context) (v bundle.Validators, err error) {
	err = f.store.View(ctx, func(tx store.Tx) error {
		f.state, err = tx.BundleState(f.bundle.Name)
		if err != nil {
			return err
		}
		_, f.content, err = tx.BundleAnchors(f.bundle.Name)
		return err
	})
	if errors.Is(err, store.ErrCorrupt) {
		return v, nil
	}
	if err != nil || f.state.Of != f.bundle.Definition() || f.content == (store.Fingerprint{}) {
		return v, err
	}
	v = bundle.Validators{SHA256: f.state.SHA256, SignedAt: f.state.SignedAt}
	if !f.whole {
		v.ETag = f.state.ETag
	}
	return v, nil
}

func (f *refreshing) fetch(ctx context.Context, prior bundle.Validators) (bundle.Fetched, error) {
	source, err := BundleSource(f.bundle)
	if err != nil {
		return bundle.Fetched{}, err
	}
	source.Now = f.now()
	return bundle.Fetch(ctx, f.fetcher, source, prior)
}

// BundleSource returns from where a bundle is fetched and who must have signed it,
// without the time.
func BundleSource(b store.Bundle) (bundle.Source, error) {
	source := bundle.Source{URL: b.URL}
	if len(b.Signer) == 0 {
		return source, nil
	}
	signer, err := x509.ParseCertificate(b.Signer)
	if err != nil { // nothing can have been signed by it
		return bundle.Source{}, fmt.Errorf("%w: the certificate to compare with cannot be read", bundle.ErrWrongSigner)
	}
	source.Signer = signer
	return source, nil
}

// take puts another set in the place of the one that counted (TB-13). All that
// takes time is done before the transaction.
func (f *refreshing) take(ctx context.Context, fetched bundle.Fetched) error {
	stored := make([]store.BundleAnchor, len(fetched.Bundle.Anchors))
	for i, a := range fetched.Bundle.Anchors {
		stored[i] = store.BundleAnchor{Certificate: a.Certificate.Raw, Policies: a.Policies}
	}
	set, bad := trustedSet(fetched.Bundle.Anchors)
	if bad > 0 {
		return f.fail(ctx, fmt.Errorf("%w: a policy is no object identifier", bundle.ErrMetadata))
	}
	changed, err := f.compare(ctx, fetched.Bundle.Anchors)
	if err != nil {
		return err
	}
	f.result.Changed = changed
	if !changed {
		return f.succeed(ctx, fetched, nil)
	}
	put := store.NewBundleSet(stored)
	forget := f.directories.prepare(put.Content(), set)
	defer forget()
	err = f.succeed(ctx, fetched, &put)
	if err != nil {
		return err
	}
	// The next Directory is read here, so that no message waits for it. If that
	// fails, the set counts all the same as soon as one can be read.
	_, err = f.directories.current(ctx)
	if err != nil {
		f.log.Warn("the directory could not be read after a refresh", "bundle", f.bundle.Name, "err", err)
	}
	return nil
}

func trustedSet(anchors []bundle.Anchor) (set *trust.Anchors, bad int) {
	all := make([]trust.Anchor, 0, len(anchors))
	for _, a := range anchors {
		policies, err := parsePolicies(a.Policies)
		if err != nil {
			bad++
			continue
		}
		all = append(all, trust.Anchor{Certificate: a.Certificate, Policies: policies})
	}
	return trust.AnchorsWithPolicies(all), bad
}

// compare finds out what came and what went, whatever the order is.
func (f *refreshing) compare(ctx context.Context, anchors []bundle.Anchor) (changed bool, err error) {
	var before []store.BundleAnchor
	err = f.store.View(ctx, func(tx store.Tx) error {
		before, f.content, err = tx.BundleAnchors(f.bundle.Name)
		return err
	})
	if errors.Is(err, store.ErrCorrupt) {
		before, err = nil, nil // a good set in its place is the best that can happen
	}
	if err != nil {
		return false, err
	}
	old := make(map[store.Fingerprint][]string, len(before))
	for _, a := range before {
		old[store.FingerprintOf(a.Certificate)] = a.Policies
	}
	changed = f.content == store.Fingerprint{}
	for _, a := range anchors {
		id := store.FingerprintOf(a.Certificate.Raw)
		policies, ok := old[id]
		if !ok {
			f.result.Added = append(f.result.Added, a.Certificate)
		}
		changed = changed || !ok || !slices.Equal(policies, a.Policies)
		delete(old, id)
	}
	for _, a := range before {
		_, removed := old[store.FingerprintOf(a.Certificate)]
		if !removed {
			continue
		}
		changed = true
		c, err := x509.ParseCertificate(a.Certificate)
		if err == nil { // what cannot be read was never believed
			f.result.Removed = append(f.result.Removed, c)
		}
	}
	return changed, nil
}

// record changes the state in one transaction with the bundle, if that is to be
// another, and with what else put does, unless the bundle is not what it was.
func (f *refreshing) record(ctx context.Context, put func(tx store.Tx, b store.Bundle, s *store.BundleState) error) error {
	return f.store.Update(ctx, func(tx store.Tx) error {
		b, err := tx.Bundle(f.bundle.Name)
		if err != nil {
			return err
		}
		if b.Definition() != f.was.Definition() {
			return errSuperseded
		}
		if f.change != nil {
			err := f.putChanged(tx, &b)
			if err != nil {
				return err
			}
		}
		s, err := tx.BundleState(b.Name)
		if err != nil {
			return err
		}
		if s.Of != b.Definition() { // nothing that was said of another counts
			s.Of, s.SHA256, s.ETag, s.SignedAt = b.Definition(), store.Fingerprint{}, "", time.Time{}
			s.Failures, s.FailedSince = 0, time.Time{}
		}
		err = put(tx, b, &s)
		if err != nil {
			return err
		}
		return tx.PutBundleState(b.Name, s)
	})
}

// succeed records a set that is good, and puts it if it is another.
func (f *refreshing) succeed(ctx context.Context, fetched bundle.Fetched, set *store.BundleSet) error {
	now := f.now()
	var after store.BundleState
	err := f.record(ctx, func(tx store.Tx, b store.Bundle, s *store.BundleState) error {
		content, err := tx.BundleContent(b.Name)
		switch {
		case err != nil && !errors.Is(err, store.ErrCorrupt):
			return err
		case content != f.content:
			return errSuperseded // what came was compared with what is gone
		}
		if set != nil {
			err := tx.PutBundleAnchors(b.Name, *set)
			if err != nil {
				return err
			}
			s.Changed = now
			err = f.auditChange(tx, b, now)
			if err != nil {
				return err
			}
		}
		if fetched.Bundle != nil {
			s.Anchors, s.Bad = len(fetched.Bundle.Anchors), len(fetched.Bundle.Bad)
			s.BadCertificates = badCertificates(fetched.Bundle.Bad)
		}
		s.Attempted, s.Succeeded, s.Next = now, now, nextAfterSuccess(b, now)
		s.SHA256, s.ETag, s.SignedAt = fetched.SHA256, fetched.ETag, fetched.SignedAt
		s.FailedSince, s.Failures, s.Failure, s.Detail = time.Time{}, 0, "", ""
		after = *s
		return nil
	})
	if err != nil {
		f.result.Changed, f.result.Added, f.result.Removed = false, nil, nil
		return err
	}
	f.result.Anchors, f.result.Bad = after.Anchors, after.Bad
	f.tellSuccess()
	return nil
}

// fail records a failure. The set that was there counts on (TB-14).
func (f *refreshing) fail(ctx context.Context, cause error) error {
	now := f.now()
	f.result.Failure, f.result.Detail = bundle.KindOf(cause), reason.Line(cause.Error(), maxBundleDetail)
	if f.change != nil { // it says nothing of the bundle as it is
		f.result.Anchors, f.result.Bad = f.state.Anchors, f.state.Bad
		return nil
	}
	var after store.BundleState
	var current store.Bundle
	err := f.record(ctx, func(_ store.Tx, b store.Bundle, s *store.BundleState) error {
		s.Attempted = now
		s.Failures++
		if s.FailedSince.IsZero() {
			s.FailedSince = now
		}
		s.Failure, s.Detail = f.result.Failure, f.result.Detail
		s.Next = nextAfterFailure(b, s.Failures, now)
		after, current = *s, b
		return nil
	})
	if err != nil {
		return err
	}
	f.result.Anchors, f.result.Bad = after.Anchors, after.Bad
	f.tellFailure(HealthOf(current, after, now))
	return nil
}

// maxBundleDetail bounds what is kept of a failure, in octets: a server may have
// had a hand in it.
const maxBundleDetail = 400

// maxBadCertificates bounds how many are kept with their cause.
const maxBadCertificates = 20

func badCertificates(bad []bundle.Bad) []store.BadCertificate {
	var all []store.BadCertificate
	for _, b := range bad[:min(len(bad), maxBadCertificates)] {
		all = append(all, store.BadCertificate{Place: b.Index, Cause: reason.Line(b.Err.Error(), maxBundleDetail)})
	}
	return all
}
