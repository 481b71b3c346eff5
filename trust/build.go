package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"time"
)

// build returns the valid paths to g at the time of the question. CP-28: where
// one of the certificates has just begun by its issuer's clock, a path that
// holds at the end of the skew is as good, since all dates that end were checked
// for a later moment.
//
// A stranger may make an attempt as dear as can be. So after one that failed, and
// among a crowd of intermediates, crypto/x509 sees those alone that lead to the
// anchors.
func (q *quest) build(g goal) ([][]*x509.Certificate, error) {
	others := q.others
	if q.failed || len(others) > crowd {
		others = q.rooted(g.anchors)
	}
	paths, err := q.verify(g, others, q.p.At)
	if err == nil {
		return paths, nil
	}
	q.failed = true
	others = q.rooted(g.anchors)
	if q.begins(g.anchors, others) {
		return q.verify(g, others, q.p.At.Add(ClockSkew))
	}
	return nil, err
}

// verify is x509.Certificate.Verify with the policies of g, if it has any, as
// an initial-explicit-policy (RFC 5280 §6.1.1 (f)). x509 looks at its
// CertificatePolicies only where a certificate of the path asks for explicit
// policies. A requireExplicitPolicy of 0 in the last certificate asks for just
// that (§6.1.5 (b)), so one is verified that has it.
func (q *quest) verify(g goal, others []*x509.Certificate, at time.Time) ([][]*x509.Certificate, error) {
	leaf, roots := q.leaf, q.within(g.anchors, others)
	dear := cost(leaf, roots, others, maxPath)
	if !q.affords(dear) {
		roots, others = q.sure(g.anchors, at)
		dear = cost(leaf, roots, others, maxPath)
	}
	if !q.affords(dear) {
		return nil, errors.New("its issuers lead too many ways")
	}
	if g.policies != nil {
		explicit := *leaf
		explicit.RequireExplicitPolicyZero = true
		leaf = &explicit
	}
	paths, err := leaf.Verify(x509.VerifyOptions{
		Roots:         poolOf(roots), // never nil, which would mean the system's roots (AS-60)
		Intermediates: poolOf(others),
		CurrentTime:   at,
		// RFC 8550 §4.4.4: an authority whose extendedKeyUsage leaves mail out
		// issues no certificates for mail. One without the extension may.
		KeyUsages:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		CertificatePolicies: g.policies,
	})
	if err != nil {
		q.vain(dear)
		return nil, err
	}
	var good [][]*x509.Certificate
	for _, path := range paths {
		if g.policies != nil && (len(path) == 1 || !states(leaf, g.policies)) {
			continue // a root is under no policy but its own; see states
		}
		for i, c := range path {
			path[i] = q.original(c)
		}
		path[0] = q.p.Certificate
		good = append(good, path)
	}
	return good, nil
}

// states reports whether cert names one of the policies itself. RFC 5280 §6.1
// takes anyPolicy for all of them; an authority that validated somebody to the
// extent of a policy says so in that very certificate.
func states(cert *x509.Certificate, policies []x509.OID) bool {
	return slices.ContainsFunc(cert.Policies, func(p x509.OID) bool {
		return slices.ContainsFunc(policies, p.Equal)
	})
}

// within returns the anchors that a path can end at: those that have the name of
// an issuer, and the certificate itself if it is one. Whatever the number of
// anchors, x509 sees these alone.
func (q *quest) within(anchors *Anchors, others []*x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	seen := make(map[Fingerprint]bool)
	if anchors.Has(q.print(q.leaf)) {
		seen[q.print(q.leaf)] = true
		all = append(all, q.leaf)
	}
	type authority struct{ name, key string }
	asked := make(map[authority]bool)
	for _, c := range append([]*x509.Certificate{q.leaf}, others...) {
		issuer := authority{string(c.RawIssuer), string(c.AuthorityKeyId)}
		if asked[issuer] {
			continue
		}
		asked[issuer] = true
		for _, up := range anchors.issuers(c) {
			if !seen[q.print(up)] {
				seen[q.print(up)] = true
				all = append(all, up)
			}
		}
	}
	return all
}

// sure returns the anchors and the intermediates of all paths that are paths by
// signatures and dates, which leaves few that come to nothing.
func (q *quest) sure(anchors *Anchors, at time.Time) (roots, others []*x509.Certificate) {
	rooted := bySubject(q.rooted(anchors))
	linked := func(c *x509.Certificate, named []*x509.Certificate) []*x509.Certificate {
		return slices.DeleteFunc(slices.Clone(named), func(up *x509.Certificate) bool {
			return at.Before(up.NotBefore) || at.After(up.NotAfter) || !q.made(&q.descends, c, up)
		})
	}
	add := func(to, certs []*x509.Certificate) []*x509.Certificate {
		for _, c := range certs {
			if !slices.ContainsFunc(to, c.Equal) {
				to = append(to, c)
			}
		}
		return to
	}
	if anchors.Has(q.print(q.leaf)) {
		roots = add(roots, []*x509.Certificate{q.leaf})
	}
	below := []*x509.Certificate{q.leaf}
	for i := 0; i < len(below); i++ {
		c := below[i]
		roots = add(roots, linked(c, anchors.issuers(c)))
		below = add(below, linked(c, keyedFirst(c, rooted[canonicalName(c.RawIssuer)])))
	}
	return roots, below[1:]
}

// cost is how many signatures crypto/x509 checks at most to build the paths of cert.
func cost(cert *x509.Certificate, roots, others []*x509.Certificate, depth int) int {
	issued := func(up *x509.Certificate) bool { return up != cert && bytes.Equal(up.RawSubject, cert.RawIssuer) }
	n := 0
	for _, up := range roots {
		if issued(up) {
			n++
		}
	}
	for _, up := range others {
		if n >= maxSignatures || depth == 1 {
			break
		}
		if issued(up) {
			n += 1 + cost(up, roots, others, depth-1)
		}
	}
	return min(n, maxSignatures)
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// begins reports whether a certificate that might be of use begins within the
// skew.
func (q *quest) begins(anchors *Anchors, others []*x509.Certificate) bool {
	soon := func(c *x509.Certificate) bool { return begins(c, q.p.At) }
	return soon(q.p.Certificate) || slices.ContainsFunc(others, soon) || slices.ContainsFunc(q.within(anchors, others), soon)
}

func begins(c *x509.Certificate, at time.Time) bool {
	return c.NotBefore.After(at) && !c.NotBefore.After(at.Add(ClockSkew))
}
