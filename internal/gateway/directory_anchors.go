package gateway

import (
	"crypto/x509"
	"log/slog"
	"maps"
	"slices"

	"postern/mime"
	"postern/store"
	"postern/trust"
)

// beliefs are whom we believe. The anchors that were loaded one by one and each
// bundle are a set of their own, and what a domain believes is sets joined: a
// change of one leaves the others as they are.
type beliefs struct {
	anchors map[anchorKey]*trust.Anchors
	shared  map[store.Direction]*trust.Anchors // for domains with no anchors of their own
	ev      map[mime.Domain]*trust.Anchors     // roots of extended validation; "" is every domain
	single  map[store.Fingerprint]singleAnchor
	bundles []bundleSet
}

type anchorKey struct {
	domain    mime.Domain
	direction store.Direction
}

// A singleAnchor is one that was loaded by itself, in all the ways it was.
type singleAnchor struct {
	certificate *x509.Certificate
	sources     []AnchorSource
}

// An AnchorSource is one of the ways in which an anchor came to be believed.
type AnchorSource struct {
	Source    string      // store.ManualSource, store.EVSource or the name of a bundle
	Domain    mime.Domain // "" is every domain of ours
	Direction store.Direction
}

// AnchorSources returns all the ways in which a certificate is an anchor: those
// that were loaded one by one first, and then the bundles by name.
func (d *Directory) AnchorSources(f store.Fingerprint) []AnchorSource {
	all := slices.Clone(d.single[f].sources)
	for _, b := range d.bundles {
		if !b.set.Has(trust.Fingerprint(f)) {
			continue
		}
		for _, a := range b.Attached {
			all = append(all, AnchorSource{Source: b.Name, Domain: a.Domain, Direction: a.Direction})
		}
	}
	return all
}

// EV returns the roots whose extended-validation certificates a domain of ours
// believes for signers. No bundle gives any.
func (d *Directory) EV(name mime.Domain) *trust.Anchors {
	own, ok := d.ev[name]
	if ok {
		return own
	}
	return d.ev[""]
}

// Anchors returns whom a domain of ours believes in one direction (AS-60): the
// anchors of the domain and those given for every domain, by an operator and by
// bundles (TB-18).
func (d *Directory) Anchors(name mime.Domain, way store.Direction) *trust.Anchors {
	own, ok := d.anchors[anchorKey{name, way}]
	if ok {
		return own
	}
	return d.shared[way]
}

// parsed is what need not be parsed again.
type parsed struct {
	single map[store.Fingerprint]singleAnchor
	sets   map[store.Fingerprint]*trust.Anchors // of bundles, by content
}

// known is what the latest Directory has, and what was prepared for the next.
func (c *directories) known() parsed {
	k := parsed{sets: maps.Clone(c.prepared)}
	if k.sets == nil {
		k.sets = make(map[store.Fingerprint]*trust.Anchors)
	}
	if c.latest != nil {
		k.single = c.latest.single
		for _, b := range c.latest.bundles {
			k.sets[b.content] = b.set
		}
	}
	return k
}

// readBeliefs pools the anchors. One that cannot be read is left out, so that
// nothing is trusted for it.
func (b *beliefs) readBeliefs(tx store.Tx, known parsed, log *slog.Logger) error {
	sets := make(anchorSets)
	err := b.readSingle(tx, known, sets, log)
	if err != nil {
		return err
	}
	err = b.readBundles(tx, known, sets, log)
	if err != nil {
		return err
	}
	b.anchors, b.shared = sets.joined()
	return nil
}

// anchorSets are the sets that each domain believes, in each direction.
type anchorSets map[anchorKey][]*trust.Anchors

func (s anchorSets) add(domain mime.Domain, direction store.Direction, set *trust.Anchors) {
	for _, way := range []store.Direction{store.In, store.Out} {
		if direction.Covers(way) {
			key := anchorKey{domain, way}
			s[key] = append(s[key], set)
		}
	}
}

// joined is what each domain with sets of its own believes, and every other one.
func (s anchorSets) joined() (own map[anchorKey]*trust.Anchors, shared map[store.Direction]*trust.Anchors) {
	own, shared = make(map[anchorKey]*trust.Anchors), make(map[store.Direction]*trust.Anchors)
	for _, way := range []store.Direction{store.In, store.Out} {
		shared[way] = trust.Join(s[anchorKey{"", way}]...)
	}
	for key, sets := range s {
		if key.domain != "" {
			own[key] = trust.Join(append([]*trust.Anchors{shared[key.direction]}, sets...)...)
		}
	}
	return own, shared
}

// readSingle reads the anchors that an operator loaded one by one.
func (b *beliefs) readSingle(tx store.Tx, known parsed, sets anchorSets, log *slog.Logger) error {
	stored, err := tx.Anchors()
	if err != nil {
		return err
	}
	b.single = make(map[store.Fingerprint]singleAnchor, len(stored))
	manual := make(map[anchorKey][]*x509.Certificate)
	ev := make(map[mime.Domain][]*x509.Certificate)
	for _, a := range stored {
		if a.Damaged {
			log.Error("an anchor is damaged and is not used; postern anchor remove makes room for it anew", "anchor", a.Fingerprint, "domain", a.Domain, "source", a.Source)
			continue
		}
		c, err := b.parseSingle(a, known)
		if err != nil {
			log.Error("an anchor cannot be read and is not used", "anchor", a.Fingerprint, "domain", a.Domain, "err", err)
			continue
		}
		if a.Source == store.EVSource { // no anchor for everything that leads to it
			ev[a.Domain] = append(ev[a.Domain], c)
			continue
		}
		key := anchorKey{a.Domain, a.Direction}
		manual[key] = append(manual[key], c)
	}
	for key, certs := range manual {
		sets.add(key.domain, key.direction, trust.NewAnchors(certs))
	}
	b.ev = make(map[mime.Domain]*trust.Anchors)
	everyone := trust.NewAnchors(ev[""])
	for domain, own := range ev {
		b.ev[domain] = trust.Join(everyone, trust.NewAnchors(own))
	}
	b.ev[""] = everyone
	return nil
}

func (b *beliefs) parseSingle(a store.Anchor, known parsed) (*x509.Certificate, error) {
	s := b.single[a.Fingerprint]
	if s.certificate == nil {
		s.certificate = known.single[a.Fingerprint].certificate
	}
	if s.certificate == nil {
		c, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			return nil, err
		}
		s.certificate = c
	}
	s.sources = append(s.sources, AnchorSource{Source: a.Source, Domain: a.Domain, Direction: a.Direction})
	b.single[a.Fingerprint] = s
	return s.certificate, nil
}
