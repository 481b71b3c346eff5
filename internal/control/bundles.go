package control

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"time"

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
	SHA256       string    `json:"sha256,omitempty"`
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
	BundleStale   = "stale"   // nobody fetched it when it was due
	BundleFailing = "failing" // the last try failed; the set before it counts
)

func (s *Service) handleBundles(mux *http.ServeMux) {
	handle(mux, commandBytes, "bundle/add", s.addBundle)
	handle(mux, commandBytes, "bundle/list", s.listBundles)
	handle(mux, commandBytes, "bundle/show", s.showBundle)
	handle(mux, commandBytes, "bundle/refresh", s.refreshBundles)
	handle(mux, commandBytes, "bundle/remove", s.removeBundle)
}

func (s *Service) listBundles(ctx context.Context, _ None) (all []BundleInfo, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		bundles, err := tx.Bundles()
		if err != nil {
			return err
		}
		all = []BundleInfo{}
		for _, b := range bundles {
			state, err := tx.BundleState(b.Name)
			if err != nil {
				return err
			}
			all = append(all, bundleInfo(b, state, s.Core.Now()))
		}
		return nil
	})
	return all, err
}

func bundleInfo(b store.Bundle, state store.BundleState, now time.Time) BundleInfo {
	info := BundleInfo{
		Name: b.Name, URL: plain(b.URL, maxURL), Signer: bundleSigner(b.Signer), Attached: []BundleAttachment{},
		Every: int64(b.Every / time.Second), State: bundleState(b, state, now),
		Attempted: state.Attempted, Succeeded: state.Succeeded, Changed: state.Changed, Next: state.Next,
		Anchors: state.Anchors, Bad: state.Bad,
	}
	for _, a := range b.Attached {
		info.Attached = append(info.Attached, BundleAttachment{string(a.Domain), string(a.Direction)})
	}
	if info.State == BundleFailing {
		info.Failure, info.Detail, info.Hint = state.Failure, plain(state.Detail, maxDetail), failureHint(state.Failure)
		info.FailingSince, info.Failures = state.FailedSince, state.Failures
	}
	if !state.Succeeded.IsZero() {
		age := int64(now.Sub(state.Succeeded) / time.Second)
		info.Age = &age
	}
	if state.SHA256 != (store.Fingerprint{}) {
		info.SHA256 = state.SHA256.String()
	}
	return info
}

func bundleState(b store.Bundle, state store.BundleState, now time.Time) string {
	switch {
	case state.Attempted.IsZero() || state.Of != b.Definition():
		return BundleWaiting
	case state.Failure != "":
		return BundleFailing
	case b.Every > 0 && now.Sub(state.Succeeded) > 2*b.Every:
		return BundleStale
	}
	return BundleFresh
}

func bundleSigner(der []byte) *BundleSigner {
	if len(der) == 0 {
		return nil
	}
	signer := &BundleSigner{SHA256: store.FingerprintOf(der).String(), Subject: "cannot be read"}
	c, err := x509.ParseCertificate(der)
	if err == nil {
		signer.Subject, signer.NotAfter = subjectOf(c), c.NotAfter
	}
	return signer
}

// bundleError tells that there is no such bundle.
func bundleError(err error, name string) error {
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: fmt.Sprintf("there is no bundle %q", plain(name, maxSubject)), Hint: "postern bundle list shows them"}
	}
	return err
}
