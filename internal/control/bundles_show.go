package control

import (
	"context"
	"crypto/x509"
	"fmt"

	"postern/store"
)

// A ShownBundle is a bundle with the anchors of the set that counts.
type ShownBundle struct {
	BundleInfo
	Certificates []BundleCertificate `json:"certificates"`
}

func (s *Service) showBundle(ctx context.Context, in BundleName) (shown ShownBundle, err error) {
	var anchors []store.BundleAnchor
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		b, err := tx.Bundle(in.Name)
		if err != nil {
			return bundleError(err, in.Name)
		}
		state, err := tx.BundleState(in.Name)
		if err != nil {
			return err
		}
		shown.BundleInfo = bundleInfo(b, state, s.Core.Now())
		anchors, _, err = tx.BundleAnchors(in.Name)
		return err
	})
	if err != nil {
		return ShownBundle{}, err
	}
	shown.Certificates = make([]BundleCertificate, 0, len(anchors))
	for _, a := range anchors {
		c, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return ShownBundle{}, fmt.Errorf("reading an anchor of the bundle %s: %w", in.Name, err)
		}
		shown.Certificates = append(shown.Certificates, bundleCertificate(c, a.Policies))
	}
	return shown, nil
}
