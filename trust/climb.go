package trust

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"postern/trust/reason"
)

// A climb goes from issuer to issuer by name and signature, without regard to
// dates and constraints, to say why there is no valid path. It keeps the first
// defect that it passes. The refusal stands already: it decides on the words,
// and on whose issuer may be asked for.
type climb struct {
	q       *quest
	to      []*Anchors
	known   map[string][]*x509.Certificate // intermediates by canonical name
	seen    map[Fingerprint]bool
	reached bool // one of the anchors
	code    reason.Code
	defect  string
	top     *x509.Certificate // the first certificate found without an issuer
	ended   bool              // whether there is one
	// wanting are the highest certificates of chains that are good as far as
	// they go, and lack an issuer.
	wanting []*x509.Certificate
	// misnamed are links of the path that was reached whose names crypto/x509
	// would not take for equal.
	misnamed []link
}

func (q *quest) climb(to ...*Anchors) *climb {
	c := &climb{q: q, to: to, seen: make(map[Fingerprint]bool), top: q.leaf, known: bySubject(q.others)}
	c.note(reason.BadPath, criticalProblem(q.leaf))
	c.reached = c.from(q.leaf, nil, 1)
	return c
}

// from reports whether cert, the depth-th of its path and the issuer of below,
// leads to an anchor.
func (c *climb) from(cert, below *x509.Certificate, depth int) bool {
	for _, a := range c.to {
		if a.Has(c.q.print(cert)) {
			return true
		}
	}
	c.seen[c.q.print(cert)] = true
	issued := false
	for _, up := range c.issuersOf(cert) {
		if depth == maxPath {
			break
		}
		if c.seen[c.q.print(up)] || !c.q.madeOrWeak(cert, up) {
			continue
		}
		issued = true
		if c.over(cert, up, depth) {
			return true
		}
	}
	if !issued {
		c.end(cert, below, depth)
	}
	return false
}

// over goes on over cert's issuer. A defect on a way that leads nowhere is
// forgotten.
func (c *climb) over(cert, up *x509.Certificate, depth int) bool {
	code, defect := c.code, c.defect
	c.note(reason.BadPath, signatureProblem(cert))
	c.note(reason.BadPath, dateProblem(up, c.q.p.At))
	c.note(reason.BadPath, authorityProblem(up))
	c.note(strengthOf([]*x509.Certificate{up}))
	if c.from(up, cert, depth+1) {
		if c.defect == "" && !bytes.Equal(cert.RawIssuer, up.RawSubject) {
			c.misnamed = append(c.misnamed, link{cert, up})
		}
		return true
	}
	c.code, c.defect = code, defect
	return false
}

// end notes a certificate that no known one has issued. Above one that signed
// itself there is nobody; its key may yet have been certified by others, whom
// the certificate below it may lead to.
func (c *climb) end(cert, below *x509.Certificate, depth int) {
	if !c.ended {
		c.top, c.ended = cert, true
	}
	if c.defect != "" || signatureProblem(cert) != "" || depth == maxPath {
		return
	}
	if c.q.selfSigned(cert) {
		cert = below
	}
	if cert != nil && !slices.Contains(c.wanting, cert) {
		c.wanting = append(c.wanting, cert)
	}
}

func (c *climb) note(code reason.Code, problem string) {
	if c.defect == "" && problem != "" {
		c.code, c.defect = code, problem
	}
}

// diagnose tells a certificate that leads to no anchor of ours from one that
// does, over a path with a defect.
func (c *climb) diagnose(err error) (reason.Code, string) {
	if !c.reached {
		return reason.UntrustedAnchor, fmt.Sprintf("no path to an anchor: the issuer %q is neither an anchor nor known", WriteName(c.top.Issuer))
	}
	if c.defect != "" {
		return c.code, c.defect
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Cert != nil {
		return reason.BadPath, fmt.Sprintf("%q: %v", name(invalid.Cert), err)
	}
	if err == nil {
		return reason.BadPath, "the path is not valid"
	}
	return reason.BadPath, err.Error()
}

// issuersOf returns the certificates that bear the name of cert's issuer.
func (c *climb) issuersOf(cert *x509.Certificate) []*x509.Certificate {
	var all []*x509.Certificate
	for _, a := range c.to {
		all = append(all, a.issuers(cert)...)
	}
	return append(all, keyedFirst(cert, c.known[canonicalName(cert.RawIssuer)])...)
}

// bySubject returns certs by canonical name.
func bySubject(certs []*x509.Certificate) map[string][]*x509.Certificate {
	named := make(map[string][]*x509.Certificate)
	for _, c := range certs {
		n := canonicalName(c.RawSubject)
		named[n] = append(named[n], c)
	}
	return named
}

// keyedFirst returns the certificates of the name of cert's issuer with those in
// front whose key cert says it is (RFC 5280 §4.2.1.1).
func keyedFirst(cert *x509.Certificate, named []*x509.Certificate) []*x509.Certificate {
	var keyed, others []*x509.Certificate
	for _, c := range named {
		if bytes.Equal(c.SubjectKeyId, cert.AuthorityKeyId) {
			keyed = append(keyed, c)
		} else {
			others = append(others, c)
		}
	}
	return append(keyed, others...)
}
