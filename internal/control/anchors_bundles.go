package control

import (
	"fmt"
	"strings"

	"postern/store"
)

// An AnchorFilter says which anchors to list.
type AnchorFilter struct {
	// Source is that of the anchors: manual, extended-validation or the name of a
	// bundle; "" is every one.
	Source string `json:"source"`
	// Single leaves out those of bundles where no Source is given, but for how many
	// they are.
	Single bool `json:"single"`
}

// An AnchorList is what was listed.
type AnchorList struct {
	Anchors []AnchorInfo    `json:"anchors"`
	Bundles []BundleAnchors `json:"bundles"` // those whose anchors were left out
}

// BundleAnchors says how many anchors somebody has from a bundle.
type BundleAnchors struct {
	Name      string `json:"name"`
	Domain    string `json:"domain"` // "" is every domain
	Direction string `json:"direction"`
	Anchors   int    `json:"anchors"`
}

// bundlePrefix begins the source of an anchor that a bundle gives, as it is shown.
const bundlePrefix = "bundle "

// ofBundle reports whether a source is a bundle.
func ofBundle(source string) bool {
	return source != store.ManualSource && source != store.EVSource
}

// sourceName is the source of an anchor as it is shown.
func sourceName(source string) string {
	if ofBundle(source) {
		return bundlePrefix + source
	}
	return source
}

// A sourcedAnchor is an anchor as one source gives it.
type sourcedAnchor struct {
	store.Anchor
	policies []string // that a certificate must have to be believed by it
}

// anchorsOf returns the anchors of a source, or with "" of all: those that were
// loaded one by one, and those of bundles, once for each who believes them.
func anchorsOf(tx store.Tx, source string) ([]sourcedAnchor, error) {
	all, err := singleAnchors(tx, source)
	if err != nil {
		return nil, err
	}
	bundles, err := tx.Bundles()
	if err != nil {
		return nil, err
	}
	for _, b := range bundles {
		if source != "" && source != b.Name || b.Damaged {
			continue
		}
		set, _, err := tx.BundleAnchors(b.Name)
		if err != nil {
			return nil, err
		}
		for _, a := range set {
			f := store.FingerprintOf(a.Certificate)
			for _, to := range b.Attached {
				one := store.Anchor{Source: b.Name, Domain: to.Domain, Fingerprint: f, Direction: to.Direction, Certificate: a.Certificate}
				all = append(all, sourcedAnchor{one, a.Policies})
			}
		}
	}
	return all, nil
}

// singleAnchors returns those that were loaded one by one, of a source or of all.
func singleAnchors(tx store.Tx, source string) ([]sourcedAnchor, error) {
	anchors, err := tx.Anchors()
	if err != nil {
		return nil, err
	}
	var all []sourcedAnchor
	for _, a := range anchors {
		if source == "" || a.Source == source {
			all = append(all, sourcedAnchor{Anchor: a})
		}
	}
	return all, nil
}

// countAnchors says how many anchors each has from each bundle.
func countAnchors(tx store.Tx) ([]BundleAnchors, error) {
	bundles, err := tx.Bundles()
	if err != nil {
		return nil, err
	}
	all := []BundleAnchors{}
	for _, b := range bundles {
		if b.Damaged { // nobody believes it
			continue
		}
		state, err := tx.BundleState(b.Name)
		if err != nil {
			return nil, err
		}
		for _, to := range b.Attached {
			all = append(all, BundleAnchors{b.Name, string(to.Domain), string(to.Direction), state.Anchors})
		}
	}
	return all, nil
}

// checkSource refuses a source that there is not.
func checkSource(tx store.Tx, source string) error {
	if source == "" || !ofBundle(source) {
		return nil
	}
	_, err := tx.Bundle(source)
	return bundleError(err, source)
}

// fromBundle is the refusal to remove an anchor that bundles give, or nil if none
// does.
func fromBundle(tx store.Tx, prefix string) error {
	all, err := anchorsOf(tx, "")
	if err != nil {
		return err
	}
	var from []string
	for _, a := range byPrefix(all, prefix, sourcedFingerprint) {
		name := sourceName(a.Source)
		if ofBundle(a.Source) && (len(from) == 0 || from[len(from)-1] != name) {
			from = append(from, name)
		}
	}
	if len(from) == 0 {
		return nil
	}
	return &Error{Kind: Negative, Message: fmt.Sprintf("the anchor is not one that was added by itself: it is from the %s", strings.Join(from, " and the ")),
		Hint: "whoever publishes the bundle takes it out; postern bundle remove NAME ends trust in all of its anchors"}
}
