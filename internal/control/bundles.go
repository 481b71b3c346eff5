package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/internal/gateway"
	"postern/store"
)

// A BundleName names a bundle.
type BundleName struct {
	Name string `json:"name"`
}

// A BundleInfo is what may be shown of a bundle.
type BundleInfo struct {
	Name     string             `json:"name"`
	URL      string             `json:"url"`
	Signer   *BundleSigner      `json:"signer,omitempty"` // who must have signed it
	Attached []BundleAttachment `json:"attached"`         // who believes it
	Every    int64              `json:"every_seconds"`    // 0: it is fetched only when asked
	State    string             `json:"state"`            // one of the BundleStates
	Stale    bool               `json:"stale"`            // what counts is too old
	// Failure is the kind of the last failure, if the last try was one.
	Failure      string    `json:"failure,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	Hint         string    `json:"hint,omitempty"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	Failures     int       `json:"failures"` // in a row
	Attempted    time.Time `json:"attempted,omitzero"`
	Succeeded    time.Time `json:"succeeded,omitzero"`
	Changed      time.Time `json:"changed,omitzero"`
	Next         time.Time `json:"next,omitzero"`
	Age          *int64    `json:"age_seconds,omitempty"` // since Succeeded
	Anchors      int       `json:"anchors"`
	Bad          int       `json:"bad"` // certificates that could not be read
	// BadCertificates are the first of those.
	BadCertificates []BadCertificate `json:"bad_certificates,omitempty"`
	SHA256          string           `json:"sha256,omitempty"`
	// SignedAt is when the pinned signer signed it, by his own word: a bundle that
	// somebody keeps from changing is fresh, and only this grows old.
	SignedAt time.Time `json:"signed_at,omitzero"`
}

// A BadCertificate is one of a bundle that could not be read, and is left out.
type BadCertificate struct {
	Index  int    `json:"index"` // in the file, from 1
	Reason string `json:"reason"`
}

// A BundleSigner is the certificate that is pinned for a bundle.
type BundleSigner struct {
	SHA256   string    `json:"sha256"`
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"not_after"`
}

// A BundleAttachment is a domain of ours that believes a bundle.
type BundleAttachment struct {
	Domain    string `json:"domain"` // "" is every domain
	Direction string `json:"direction"`
}

// States of a bundle.
const (
	BundleWaiting = "waiting" // it was never fetched as it is defined now
	BundleFresh   = "fresh"
	BundleStale   = "stale"   // nobody has fetched it for too long
	BundleFailing = "failing" // the last try failed; the set before it counts
	BundleDamaged = "damaged" // its record cannot be read: nobody believes it
)

func (s *Service) handleBundles(mux *http.ServeMux) {
	handle(mux, commandBytes, "bundle/add", s.addBundle)
	handle(mux, commandBytes, "bundle/list", s.listBundles)
	handle(mux, commandBytes, "bundle/show", s.showBundle)
	handle(mux, commandBytes, "bundle/diff", s.diffBundle)
	handle(mux, commandBytes, "bundle/refresh", s.refreshBundles)
	handle(mux, commandBytes, "bundle/remove", s.removeBundle)
}

func (s *Service) listBundles(ctx context.Context, _ None) ([]BundleInfo, error) {
	report, err := s.Core.BundleReport(ctx)
	if err != nil {
		return nil, err
	}
	all := []BundleInfo{}
	for _, h := range report {
		all = append(all, bundleInfo(h, s.Core.Now()))
	}
	return all, nil
}

// bundle returns one bundle.
func (s *Service) bundle(ctx context.Context, name string) (BundleInfo, error) {
	all, err := s.listBundles(ctx, None{})
	if err != nil {
		return BundleInfo{}, err
	}
	for _, b := range all {
		if b.Name == name {
			return b, nil
		}
	}
	return BundleInfo{}, bundleError(store.ErrNotFound, name)
}

func bundleInfo(h gateway.BundleHealth, now time.Time) BundleInfo {
	s := h.State
	info := BundleInfo{
		Name: h.Name, URL: plain(h.URL, maxURL), Signer: bundleSigner(h.Signer), Attached: []BundleAttachment{},
		Every: int64(h.Every / time.Second), State: bundleState(h), Stale: h.Stale,
		Attempted: s.Attempted, Succeeded: s.Succeeded, Changed: s.Changed, Next: s.Next,
		Anchors: s.Anchors, Bad: s.Bad, SignedAt: s.SignedAt,
	}
	for _, a := range h.Attached {
		info.Attached = append(info.Attached, BundleAttachment{string(a.Domain), string(a.Direction)})
	}
	if info.State == BundleFailing {
		info.Failure, info.Detail, info.Hint = s.Failure, plain(s.Detail, maxDetail), failureHint(s.Failure)
		info.FailingSince, info.Failures = s.FailedSince, s.Failures
	}
	for _, bad := range s.BadCertificates {
		info.BadCertificates = append(info.BadCertificates, BadCertificate{bad.Place, plain(bad.Cause, maxDetail)})
	}
	if !s.Succeeded.IsZero() {
		age := int64(now.Sub(s.Succeeded) / time.Second)
		info.Age = &age
	}
	if s.SHA256 != (store.Fingerprint{}) {
		info.SHA256 = s.SHA256.String()
	}
	return info
}

func bundleState(h gateway.BundleHealth) string {
	switch {
	case h.Damaged:
		return BundleDamaged
	case h.State.Attempted.IsZero() || h.State.Of != h.Definition():
		return BundleWaiting
	case h.State.Failure != "":
		return BundleFailing
	case h.Stale:
		return BundleStale
	}
	return BundleFresh
}

func bundleSigner(der []byte) *BundleSigner {
	if len(der) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return &BundleSigner{SHA256: store.FingerprintOf(der).String(), Subject: "cannot be read"}
	}
	return DescribeSigner(c)
}

// DescribeSigner returns what is shown of a bundle's signer; nil of none.
func DescribeSigner(c *x509.Certificate) *BundleSigner {
	if c == nil {
		return nil
	}
	return &BundleSigner{sha256Of(c), subjectOf(c), c.NotAfter}
}

// bundleError tells that there is no such bundle.
func bundleError(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: fmt.Sprintf("there is no bundle %q", plain(name, maxSubject)), Hint: "postern bundle list shows them"}
	}
	return err
}
