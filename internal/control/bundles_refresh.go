package control

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"postern/bundle"
	"postern/internal/gateway"
	"postern/store"
)

// BundleNames are bundles; none are all.
type BundleNames struct {
	Names []string `json:"names"`
}

// A BundleRefresh is what became of fetching one bundle.
type BundleRefresh struct {
	Name         string              `json:"name"`
	Fresh        bool                `json:"fresh"`
	Failure      string              `json:"failure,omitempty"` // its kind; the set before it counts
	Detail       string              `json:"detail,omitempty"`
	Hint         string              `json:"hint,omitempty"`
	Temporary    bool                `json:"temporary"` // the failure may pass by itself
	Changed      bool                `json:"changed"`
	Added        []BundleCertificate `json:"added"`
	Removed      []BundleCertificate `json:"removed"`
	Anchors      int                 `json:"anchors"` // that count now
	Bad          int                 `json:"bad"`     // certificates that could not be read
	Milliseconds float64             `json:"milliseconds"`
}

// A BundleCertificate is one anchor of a bundle.
type BundleCertificate struct {
	SHA256    string    `json:"sha256"`
	Subject   string    `json:"subject"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// Policies are those that a certificate must have to be believed by it.
	Policies []string `json:"policies,omitempty"`
}

func (s *Service) refreshBundles(ctx context.Context, in BundleNames) ([]BundleRefresh, error) {
	results, err := s.Core.RefreshBundles(ctx, in.Names)
	if errors.Is(err, store.ErrNotFound) {
		return nil, &Error{Kind: Negative, Message: plain(err.Error(), maxDetail), Hint: "postern bundle list shows them"}
	}
	if err != nil {
		return nil, err
	}
	all := []BundleRefresh{}
	for _, r := range results {
		all = append(all, bundleRefresh(r))
	}
	return all, nil
}

func bundleRefresh(r gateway.RefreshResult) BundleRefresh {
	out := BundleRefresh{
		Name: r.Name, Fresh: r.Failure == "", Failure: r.Failure, Detail: plain(r.Detail, maxDetail),
		Changed: r.Changed, Added: bundleCertificates(r.Added), Removed: bundleCertificates(r.Removed),
		Anchors: r.Anchors, Bad: r.Bad, Milliseconds: float64(r.Took.Microseconds()) / 1000,
	}
	if r.Failure != "" {
		out.Hint, out.Temporary = failureHint(r.Failure), failurePasses(r.Failure)
	}
	return out
}

// DescribeAnchors returns what is shown of the anchors of a bundle; never nil.
func DescribeAnchors(all []bundle.Anchor) []BundleCertificate {
	out := make([]BundleCertificate, 0, len(all))
	for _, a := range all {
		out = append(out, bundleCertificate(a.Certificate, a.Policies))
	}
	return out
}

func bundleCertificates(all []*x509.Certificate) []BundleCertificate {
	out := make([]BundleCertificate, 0, len(all))
	for _, c := range all {
		out = append(out, bundleCertificate(c, nil))
	}
	return out
}

func bundleCertificate(c *x509.Certificate, policies []string) BundleCertificate {
	return BundleCertificate{
		SHA256: sha256Of(c), Subject: subjectOf(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Policies: policies,
	}
}
