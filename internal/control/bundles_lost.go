package control

import (
	"slices"

	"postern/mime"
	"postern/store"
)

// lostAnchors counts the anchors of a bundle that somebody will not believe any
// more, or not for as many certificates, when after takes the place of before.
// Sources add up (TB-18): what single anchors or other bundles give as well stays.
func lostAnchors(tx store.Tx, before, after store.Bundle) (int, error) {
	anchors, _, err := tx.BundleAnchors(before.Name)
	if err != nil || len(anchors) == 0 {
		return 0, err
	}
	left, err := readGivers(tx, after)
	if err != nil {
		return 0, err
	}
	believers, err := believersOf(tx, before)
	if err != nil {
		return 0, err
	}
	lost := 0
	for f, policies := range policiesOf(anchors) {
		if slices.ContainsFunc(believers, func(b believer) bool { return !left.give(f, policies, b) }) {
			lost++
		}
	}
	return lost, nil
}

// A believer is a domain, or with "" every one, in one direction.
type believer struct {
	domain mime.Domain
	way    store.Direction // In or Out
}

// believersOf returns who believes a bundle, each domain of ours by itself. What
// is for every domain is nobody's but "" while there is none.
func believersOf(tx store.Tx, b store.Bundle) ([]believer, error) {
	ours, err := tx.Domains()
	if err != nil {
		return nil, err
	}
	var all []believer
	for one := range reachOf(b.Attached) {
		if one.domain != "" || len(ours) == 0 {
			all = append(all, one)
			continue
		}
		for _, d := range ours {
			all = append(all, believer{d.Name, one.way})
		}
	}
	return all, nil
}

// A reach is for whom a source of anchors counts.
type reach map[believer]bool

func reachOf(attached []store.Attachment) reach {
	r := make(reach)
	for _, to := range attached {
		for _, way := range []store.Direction{store.In, store.Out} {
			if to.Direction.Covers(way) {
				r[believer{to.Domain, way}] = true
			}
		}
	}
	return r
}

// A gift is an anchor as one source gives it.
type gift struct {
	to       reach
	policies []string // that it asks for
}

// givers are the sources of each anchor.
type givers map[store.Fingerprint][]gift

// readGivers reads all sources, with one bundle as it is given.
func readGivers(tx store.Tx, instead store.Bundle) (givers, error) {
	all := make(givers)
	single, err := tx.Anchors()
	if err != nil {
		return nil, err
	}
	for _, a := range single {
		if a.Source != store.EVSource { // no anchor for everything that leads to it
			to := reachOf([]store.Attachment{{Domain: a.Domain, Direction: a.Direction}})
			all[a.Fingerprint] = append(all[a.Fingerprint], gift{to: to})
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
		to := reachOf(b.Attached)
		for f, policies := range policiesOf(anchors) {
			all[f] = append(all[f], gift{to, policies})
		}
	}
	return all, nil
}

// give reports whether a certificate is an anchor for a believer, and asks for
// nothing but policies, if for anything (TB-8).
func (g givers) give(f store.Fingerprint, policies []string, b believer) bool {
	return slices.ContainsFunc(g[f], func(from gift) bool {
		return (from.to[b] || from.to[believer{"", b.way}]) && within(from.policies, policies)
	})
}
