package control

import (
	"context"
	"crypto/x509"
	"slices"

	"postern/internal/gateway"
	"postern/store"
)

// policiesOf returns the policies that each anchor of a bundle asks for. One that
// is there twice asks for what both ask for.
func policiesOf(set []store.BundleAnchor) map[store.Fingerprint][]string {
	all := make(map[store.Fingerprint][]string, len(set))
	for _, a := range set {
		f := store.FingerprintOf(a.Certificate)
		all[f] = slices.Concat(all[f], a.Policies)
	}
	return all
}

// within reports whether wanted has nothing that named has not.
func within(wanted, named []string) bool {
	return !slices.ContainsFunc(wanted, func(p string) bool { return !slices.Contains(named, p) })
}

// bundlePolicies reads what bundles ask for, each anchor of each bundle once.
type bundlePolicies struct {
	core  *gateway.Core
	known map[bundleAnchor][]string
}

type bundleAnchor struct {
	bundle string
	anchor store.Fingerprint
}

// met reports whether a certificate names the policies that a bundle asks for with
// an anchor, all of them and itself (TB-8). What cannot be read, or is no longer
// there, is not met: no bundle is named that may not have been believed.
func (p bundlePolicies) met(ctx context.Context, cert *x509.Certificate, bundle string, anchor store.Fingerprint) bool {
	key := bundleAnchor{bundle, anchor}
	wanted, ok := p.known[key]
	if !ok {
		err := p.core.Store.View(ctx, func(tx store.Tx) error {
			set, _, err := tx.BundleAnchors(bundle)
			wanted, ok = policiesOf(set)[anchor]
			return err
		})
		if err != nil {
			p.core.Log.Error("the anchors of a bundle cannot be read, and it is not told of", "bundle", bundle, "err", err)
			return false
		}
		if !ok {
			return false
		}
		p.known[key] = wanted
	}
	return within(wanted, policyNames(cert))
}
