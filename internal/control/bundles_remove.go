package control

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A BundleRemoval names a bundle to remove, or with a domain one that is not to
// believe it any longer.
type BundleRemoval struct {
	Name   string `json:"name"`
	Domain string `json:"domain"` // "": the whole bundle
}

// A RemovedBundle is a bundle that was removed, or what is left of it.
type RemovedBundle struct {
	Bundle BundleInfo `json:"bundle"`
	Gone   bool       `json:"gone"` // the bundle itself, not only a domain of it
	// Lost is how many of its anchors nobody gives any more to those who believed
	// them by it.
	Lost int `json:"lost"`
}

func (s *Service) removeBundle(ctx context.Context, in BundleRemoval) (removed RemovedBundle, err error) {
	domain, err := optionalDomain(in.Domain)
	if err != nil {
		return RemovedBundle{}, err
	}
	for range removalTries {
		removed, err = s.tryRemoveBundle(ctx, in.Name, domain)
		if !errors.Is(err, errOthersChanged) {
			break
		}
	}
	if err == nil {
		s.Core.BundlesChanged()
	}
	return removed, err
}

// removalTries is how often the anchors are counted anew because they changed
// meanwhile.
const removalTries = 10

var errOthersChanged = errors.New("the anchors change all the time: try again")

// tryRemoveBundle counts what will be lost before it takes the store from all
// others, and fails with errOthersChanged if that is no longer true then.
func (s *Service) tryRemoveBundle(ctx context.Context, name string, domain mime.Domain) (removed RemovedBundle, err error) {
	var before, after store.Bundle
	var counted uint64
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		before, err = tx.Bundle(name)
		if err != nil {
			return bundleError(err, name)
		}
		after, err = detach(before, domain)
		if err != nil {
			return err
		}
		counted, err = tx.Generation()
		if err != nil {
			return err
		}
		removed.Lost, err = lostAnchors(tx, before, after)
		return err
	})
	if err != nil {
		return RemovedBundle{}, err
	}
	err = s.Core.Store.Update(ctx, func(tx store.Tx) error {
		generation, err := tx.Generation()
		if err != nil {
			return err
		}
		if generation != counted {
			return errOthersChanged
		}
		state, err := tx.BundleState(name)
		if err != nil {
			return err
		}
		told := after
		if domain == "" {
			told = before
		}
		now := s.Core.Now()
		removed.Bundle, removed.Gone = bundleInfo(gateway.HealthOf(told, state, now), now), domain == ""
		if removed.Gone {
			return tx.RemoveBundle(name)
		}
		return tx.PutBundle(after)
	})
	return removed, err
}

// detach returns a bundle without one who believes it, or with "" without any.
func detach(b store.Bundle, domain mime.Domain) (store.Bundle, error) {
	n := len(b.Attached)
	b.Attached = slices.DeleteFunc(slices.Clone(b.Attached), func(a store.Attachment) bool { return domain == "" || a.Domain == domain })
	if domain == "" || len(b.Attached) < n {
		return b, nil
	}
	hint := "postern bundle list shows who does"
	if slices.ContainsFunc(b.Attached, func(a store.Attachment) bool { return a.Domain == "" }) {
		hint = "every domain does: remove the bundle, and add it for those that are to believe it"
	}
	return b, &Error{Kind: Negative, Message: fmt.Sprintf("%s does not believe the bundle %s by itself", domain, b.Name), Hint: hint}
}

// lostAnchors counts the anchors of a bundle that somebody will not believe any
// more when after takes the place of before. Sources add up (TB-18): what single
// anchors or other bundles give as well stays.
func lostAnchors(tx store.Tx, before, after store.Bundle) (int, error) {
	anchors, _, err := tx.BundleAnchors(before.Name)
	if err != nil || len(anchors) == 0 {
		return 0, err
	}
	left, err := readGivers(tx, after)
	if err != nil {
		return 0, err
	}
	lost := 0
	for _, a := range anchors {
		f := store.FingerprintOf(a.Certificate)
		if slices.ContainsFunc(before.Attached, func(to store.Attachment) bool { return !left.give(f, to) }) {
			lost++
		}
	}
	return lost, nil
}

// givers are the sources of anchors: for whom each certificate is one.
type givers map[store.Fingerprint][]store.Attachment

// readGivers reads all sources, with one bundle as it is given.
func readGivers(tx store.Tx, instead store.Bundle) (givers, error) {
	all := make(givers)
	single, err := tx.Anchors()
	if err != nil {
		return nil, err
	}
	for _, a := range single {
		if a.Source != store.EVSource { // no anchor for everything that leads to it
			all[a.Fingerprint] = append(all[a.Fingerprint], store.Attachment{Domain: a.Domain, Direction: a.Direction})
		}
	}
	bundles, err := tx.Bundles()
	if err != nil {
		return nil, err
	}
	for _, b := range bundles {
		if b.Name == instead.Name {
			b = instead
		}
		if len(b.Attached) == 0 {
			continue
		}
		anchors, _, err := tx.BundleAnchors(b.Name)
		if err != nil {
			return nil, err
		}
		for _, a := range anchors {
			f := store.FingerprintOf(a.Certificate)
			all[f] = append(all[f], b.Attached...)
		}
	}
	return all, nil
}

// give reports whether a certificate is an anchor for somebody, in each direction
// asked for.
func (g givers) give(f store.Fingerprint, to store.Attachment) bool {
	for _, way := range []store.Direction{store.In, store.Out} {
		if !to.Direction.Covers(way) {
			continue
		}
		if !slices.ContainsFunc(g[f], func(from store.Attachment) bool {
			return (from.Domain == "" || from.Domain == to.Domain) && from.Direction.Covers(way)
		}) {
			return false
		}
	}
	return true
}
