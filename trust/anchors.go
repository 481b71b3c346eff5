package trust

import (
	"crypto/x509"
	"slices"
)

// Anchors is the set of trust anchors of one domain and direction (AS-60). It
// never changes once made, is safe for concurrent use, and its size does not
// matter to the cost of a judgement: build it once, when the configuration of
// the domain changes. A nil *Anchors trusts nobody.
type Anchors struct {
	parts []*part // no two are the same, and none is empty
}

// An Anchor is a certificate that paths may end at.
type Anchor struct {
	Certificate *x509.Certificate
	// Policies are those that a certificate which leads to the anchor must name,
	// all of them (TB-8).
	Policies []x509.OID
}

// A part is what was made into a set at once.
type part struct {
	anchors   []Anchor
	index     map[Fingerprint]int            // of anchors
	bySubject map[string][]*x509.Certificate // by canonical name
}

// NewAnchors returns the set of certs. An anchor may be a root, an intermediate
// authority or an end certificate (AS-67). Duplicates count once. Anchors out
// of date stay in the set and are of no use while they are (TB-19).
func NewAnchors(certs []*x509.Certificate) *Anchors {
	all := make([]Anchor, len(certs))
	for i, c := range certs {
		all[i].Certificate = c
	}
	return AnchorsWithPolicies(all)
}

// AnchorsWithPolicies is NewAnchors for anchors that may ask for policies. What
// duplicates ask for is asked for together.
func AnchorsWithPolicies(anchors []Anchor) *Anchors {
	p := &part{
		index:     make(map[Fingerprint]int, len(anchors)),
		bySubject: make(map[string][]*x509.Certificate, len(anchors)),
	}
	for _, a := range anchors {
		if a.Certificate != nil {
			p.add(a)
		}
	}
	if len(p.anchors) == 0 {
		return &Anchors{}
	}
	return &Anchors{parts: []*part{p}}
}

func (p *part) add(a Anchor) {
	f := FingerprintOf(a.Certificate)
	i, ok := p.index[f]
	if ok {
		p.anchors[i].Policies = slices.Concat(p.anchors[i].Policies, a.Policies)
		return
	}
	p.index[f] = len(p.anchors)
	p.anchors = append(p.anchors, a)
	subject := canonicalName(a.Certificate.RawSubject)
	p.bySubject[subject] = append(p.bySubject[subject], a.Certificate)
}

// Join returns the union of sets. It shares what was worked out for each, so that
// it costs next to nothing: a change of one source of anchors leaves the others
// as they are. What an anchor asks for in one set it does not ask for where it is
// in another without (TB-18). A judgement costs more with more sets, of which there
// should be few, each made of all that changes together.
func Join(sets ...*Anchors) *Anchors {
	joined := &Anchors{}
	for _, s := range sets {
		if s == nil {
			continue
		}
		for _, p := range s.parts {
			if !slices.Contains(joined.parts, p) {
				joined.parts = append(joined.parts, p)
			}
		}
	}
	return joined
}

// Len returns the number of anchors; one that is in several of the sets that were
// joined counts in each.
func (a *Anchors) Len() int {
	if a == nil {
		return 0
	}
	n := 0
	for _, p := range a.parts {
		n += len(p.anchors)
	}
	return n
}

// All returns the different anchors in the order they were given.
func (a *Anchors) All() []*x509.Certificate {
	if a == nil {
		return nil
	}
	var all []*x509.Certificate
	seen := make(map[Fingerprint]bool)
	for _, p := range a.parts {
		for _, anchor := range p.anchors {
			f := FingerprintOf(anchor.Certificate)
			if !seen[f] {
				seen[f] = true
				all = append(all, anchor.Certificate)
			}
		}
	}
	return all
}

// Contains reports whether exactly cert, octet by octet, is an anchor.
func (a *Anchors) Contains(cert *x509.Certificate) bool {
	return cert != nil && a.Has(FingerprintOf(cert))
}

// Has is Contains by the fingerprint.
func (a *Anchors) Has(f Fingerprint) bool {
	if a == nil {
		return false
	}
	for _, p := range a.parts {
		_, ok := p.index[f]
		if ok {
			return true
		}
	}
	return false
}

// issuers returns the anchors that may have issued cert, by its issuer's name: of
// many those whose key it names, and then others, no more than there are
// signatures to check. One that is in several parts is there as often.
func (a *Anchors) issuers(cert *x509.Certificate) []*x509.Certificate {
	name := canonicalName(cert.RawIssuer)
	if len(a.parts) == 1 {
		return likely(cert, a.parts[0].bySubject[name])
	}
	var all []*x509.Certificate
	for _, p := range a.parts {
		all = append(all, likely(cert, p.bySubject[name])...)
	}
	return all
}

// likely keeps the first of a crowd (RFC 5280 §4.2.1.1).
func likely(cert *x509.Certificate, named []*x509.Certificate) []*x509.Certificate {
	if len(named) <= maxSignatures {
		return named
	}
	return keyedFirst(cert, named)[:maxSignatures]
}

// missing returns the policies that anchor asks for and cert does not name: none
// if one of the parts that have the anchor is content with cert (TB-8, TB-18). A
// certificate names a policy only itself: anyPolicy is none that was asked for.
func (a *Anchors) missing(anchor, cert *x509.Certificate) []x509.OID {
	var least []x509.OID
	f := FingerprintOf(anchor)
	for _, p := range a.parts {
		i, ok := p.index[f]
		if !ok {
			continue
		}
		var missing []x509.OID
		for _, wanted := range p.anchors[i].Policies {
			if !states(cert, []x509.OID{wanted}) {
				missing = append(missing, wanted)
			}
		}
		if len(missing) == 0 {
			return nil
		}
		if least == nil || len(missing) < len(least) {
			least = missing
		}
	}
	return least
}
