package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

	"postern/bundle"
	"postern/internal/gateway"
	"postern/store"
)

// BundleChanges are what differs between two sets of a bundle's anchors.
type BundleChanges struct {
	Added   []BundleCertificate `json:"added"`
	Removed []BundleCertificate `json:"removed"`
	// Policies are anchors that stay and ask for other policies; each has those of
	// afterwards.
	Policies []BundleCertificate `json:"policies_changed"`
	Anchors  int                 `json:"anchors"` // afterwards
}

// CompareBundles tells what differs from one set of anchors to another.
func CompareBundles(before, after *bundle.Bundle) BundleChanges {
	added, removed := bundle.Diff(before.Certificates(), after.Certificates())
	changes := BundleChanges{Added: DescribeAnchors(having(after, added)), Removed: DescribeAnchors(having(before, removed)), Anchors: len(after.Anchors)}
	var others []bundle.Anchor
	for _, p := range bundle.DiffPolicies(before.Anchors, after.Anchors) {
		others = append(others, bundle.Anchor{Certificate: p.Certificate, Policies: p.After})
	}
	changes.Policies = DescribeAnchors(others)
	return changes
}

// having returns the anchors of a bundle that have some of its certificates.
func having(b *bundle.Bundle, certificates []*x509.Certificate) []bundle.Anchor {
	wanted := make(map[*x509.Certificate]bool, len(certificates))
	for _, c := range certificates {
		wanted[c] = true
	}
	return slices.DeleteFunc(slices.Clone(b.Anchors), func(a bundle.Anchor) bool { return !wanted[a.Certificate] })
}

// A BundleDiff is what a refresh would change.
type BundleDiff struct {
	Name string `json:"name"`
	BundleChanges
	Bad    int    `json:"bad"` // that could not be read
	Signer string `json:"signer,omitempty"`
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
	diff := BundleDiff{Name: b.Name, BundleChanges: CompareBundles(&bundle.Bundle{Anchors: before}, after), Bad: len(after.Bad)}
	_, diff.Signer = named(after.Signer)
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
