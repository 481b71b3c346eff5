package gateway

import (
	"crypto/x509"
	"log/slog"

	"postern/store"
	"postern/trust"
)

// A bundleSet is the anchors of a bundle that somebody believes.
type bundleSet struct {
	store.Bundle
	content store.Fingerprint
	set     *trust.Anchors
}

// prepare leaves the anchors of a bundle for the Directory that is read after
// they were put into the store, so that no message waits until they are parsed.
// forget ends it.
func (c *directories) prepare(content store.Fingerprint, set *trust.Anchors) (forget func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.prepared == nil {
		c.prepared = make(map[store.Fingerprint]*trust.Anchors)
	}
	c.prepared[content] = set
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.prepared, content)
	}
}

// readBundles reads the bundles that somebody believes.
func (b *beliefs) readBundles(tx store.Tx, known parsed, sets anchorSets, log *slog.Logger) error {
	all, err := tx.Bundles()
	if err != nil {
		return err
	}
	for _, stored := range all {
		if stored.Damaged {
			log.Error("the record of a bundle is damaged: nobody believes its anchors; postern bundle remove makes room for it anew", "bundle", stored.Name)
		}
		if len(stored.Attached) == 0 {
			continue
		}
		s := bundleSet{Bundle: stored}
		s.content, s.set, err = readBundleSet(tx, stored.Name, known, log)
		if err != nil { // it must not stop the mail of those who do not need it
			log.Error("the anchors of a bundle cannot be read and are not used", "bundle", stored.Name, "err", err)
			continue
		}
		b.bundles = append(b.bundles, s)
		for _, a := range stored.Attached {
			sets.add(a.Domain, a.Direction, s.set)
		}
	}
	return nil
}

func readBundleSet(tx store.Tx, name string, known parsed, log *slog.Logger) (store.Fingerprint, *trust.Anchors, error) {
	content, err := tx.BundleContent(name)
	if err != nil || content == (store.Fingerprint{}) {
		return content, nil, err
	}
	set, ok := known.sets[content]
	if ok {
		return content, set, nil
	}
	stored, content, err := tx.BundleAnchors(name)
	if err != nil {
		return content, nil, err
	}
	set, bad := parseBundleSet(stored)
	if bad > 0 {
		log.Error("anchors of a bundle cannot be read and are not used", "bundle", name, "anchors", bad)
	}
	known.sets[content] = set // for another bundle of the same content
	return content, set, nil
}

// parseBundleSet counts the anchors that cannot be read; what policy one asks for
// must be known as well.
func parseBundleSet(stored []store.BundleAnchor) (set *trust.Anchors, bad int) {
	all := make([]trust.Anchor, 0, len(stored))
	for _, s := range stored {
		a, err := parseBundleAnchor(s)
		if err != nil {
			bad++
			continue
		}
		all = append(all, a)
	}
	return trust.AnchorsWithPolicies(all), bad
}

func parseBundleAnchor(s store.BundleAnchor) (trust.Anchor, error) {
	c, err := x509.ParseCertificate(s.Certificate)
	if err != nil {
		return trust.Anchor{}, err
	}
	policies, err := parsePolicies(s.Policies)
	return trust.Anchor{Certificate: c, Policies: policies}, err
}

func parsePolicies(texts []string) ([]x509.OID, error) {
	var all []x509.OID
	for _, text := range texts {
		id, err := x509.ParseOID(text)
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, nil
}
