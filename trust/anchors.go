package trust

import (
	"crypto/x509"
	"slices"
	"time"
)

// Anchors is the set of trust anchors of one domain and direction (AS-60). It
// never changes once made, is safe for concurrent use, and its size does not
// matter to the cost of a judgement: build it once, when the configuration of
// the domain changes. A nil *Anchors trusts nobody.
type Anchors struct {
	certs     []*x509.Certificate
	pool      *x509.CertPool
	members   map[Fingerprint]struct{}
	bySubject map[string][]*x509.Certificate // by canonical name
	latest    time.Time                      // when the last of them begins
}

// NewAnchors returns the set of certs. An anchor may be a root, an intermediate
// authority or an end certificate (AS-67). Duplicates count once. Anchors out
// of date stay in the set and are of no use while they are (TB-19).
func NewAnchors(certs []*x509.Certificate) *Anchors {
	a := &Anchors{
		pool:      x509.NewCertPool(),
		members:   make(map[Fingerprint]struct{}, len(certs)),
		bySubject: make(map[string][]*x509.Certificate, len(certs)),
	}
	for _, c := range certs {
		if c == nil || a.Contains(c) {
			continue
		}
		a.members[FingerprintOf(c)] = struct{}{}
		subject := canonicalName(c.RawSubject)
		a.bySubject[subject] = append(a.bySubject[subject], c)
		a.certs = append(a.certs, c)
		a.pool.AddCert(c)
		if c.NotBefore.After(a.latest) {
			a.latest = c.NotBefore
		}
	}
	return a
}

// Len returns the number of different anchors.
func (a *Anchors) Len() int {
	if a == nil {
		return 0
	}
	return len(a.certs)
}

// All returns the anchors in the order they were given.
func (a *Anchors) All() []*x509.Certificate {
	if a == nil {
		return nil
	}
	return slices.Clone(a.certs)
}

// Contains reports whether exactly cert, octet by octet, is an anchor.
func (a *Anchors) Contains(cert *x509.Certificate) bool {
	if a == nil || cert == nil {
		return false
	}
	_, ok := a.members[FingerprintOf(cert)]
	return ok
}
