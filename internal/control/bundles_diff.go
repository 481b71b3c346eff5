package control

import (
	"context"
	"crypto/x509"
	"fmt"

	"postern/bundle"
	"postern/internal/gateway"
	"postern/store"
)

// A BundleDiff is what a refresh would change.
type BundleDiff struct {
	Name    string              `json:"name"`
	Added   []BundleCertificate `json:"added"`
	Removed []BundleCertificate `json:"removed"`
	// Policies are anchors that stay and ask for other policies; each has those of
	// afterwards.
	Policies []BundleCertificate `json:"policies_changed"`
	Anchors  int                 `json:"anchors"` // in what was fetched
	Bad      int                 `json:"bad"`     // that could not be read
	Signer   string              `json:"signer,omitempty"`
}

// diffBundle fetches a bundle and compares it with the set that counts. It
// changes nothing, not even what is known of the last fetch.
func (s *Service) diffBundle(ctx context.Context, in BundleName) (BundleDiff, error) {
	b, before, err := s.readBundle(ctx, in.Name)
	if err != nil {
		return BundleDiff{}, err
	}
	source, err := gateway.BundleSource(b)
	if err != nil {
		return BundleDiff{}, err
	}
	source.Now = s.Core.Now()
	fetched, err := bundle.Fetch(ctx, s.Core.Bundles, source, bundle.Validators{})
	if err != nil {
		kind := bundle.KindOf(err)
		e := &Error{Kind: Negative, Message: fmt.Sprintf("%s: %s: %s", b.Name, kind, plain(err.Error(), maxDetail)), Hint: failureHint(kind)}
		if failurePasses(kind) {
			e.Kind = Temporary
		}
		return BundleDiff{}, e
	}
	after := fetched.Bundle
	diff := BundleDiff{Name: b.Name, Anchors: len(after.Anchors), Bad: len(after.Bad), Policies: []BundleCertificate{}}
	_, diff.Signer = named(after.Signer)
	old := &bundle.Bundle{Anchors: before}
	added, removed := bundle.Diff(old.Certificates(), after.Certificates())
	diff.Added, diff.Removed = bundleCertificates(added), bundleCertificates(removed)
	for _, p := range bundle.DiffPolicies(before, after.Anchors) {
		diff.Policies = append(diff.Policies, bundleCertificate(p.Certificate, p.After))
	}
	return diff, nil
}

// readBundle reads a bundle and its anchors.
func (s *Service) readBundle(ctx context.Context, name string) (b store.Bundle, anchors []bundle.Anchor, err error) {
	var stored []store.BundleAnchor
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		b, err = tx.Bundle(name)
		if err != nil {
			return bundleError(err, name)
		}
		stored, _, err = tx.BundleAnchors(name)
		return err
	})
	if err != nil {
		return b, nil, err
	}
	for _, a := range stored {
		c, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return b, nil, fmt.Errorf("reading an anchor of the bundle %s: %w", name, err)
		}
		anchors = append(anchors, bundle.Anchor{Certificate: c, Policies: a.Policies})
	}
	return b, anchors, nil
}
