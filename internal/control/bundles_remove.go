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
		if errors.Is(err, store.ErrCorrupt) && domain == "" { // nobody believes it any more
			before = store.Bundle{Name: name, Damaged: true}
			after = before
			counted, err = tx.Generation()
			return err
		}
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
	how := "removed, with its anchors"
	if domain != "" {
		how = "no longer believed by " + domain.String()
	}
	err = s.change(ctx, bundleObject(name), how, func(tx store.Tx) error {
		generation, err := tx.Generation()
		if err != nil {
			return err
		}
		if generation != counted {
			return errOthersChanged
		}
		state, err := tx.BundleState(name)
		if errors.Is(err, store.ErrCorrupt) && domain == "" {
			state, err = store.BundleState{}, nil
		}
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
