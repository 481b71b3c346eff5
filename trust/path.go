package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"time"

	"postern/trust/reason"
)

// Bounds on a path (AS-70). The number of signatures checked is bounded as
// well, by crypto/x509 to 100 and by the diagnosis to maxSignatures.
const (
	MaxPath          = 10 // certificates from the end entity to the anchor
	MaxIntermediates = 100
	maxSignatures    = 100
)

// checkPath builds a path to an anchor by RFC 5280 §6 (AS-68).
func checkPath(p Params, v *Verdict) (reason.Code, string) {
	if p.Anchors.Len() == 0 {
		return reason.NoAnchors, "no trust anchor is set"
	}
	others := usable(p.Intermediates)
	paths, err := build(p, others)
	if err != nil {
		return diagnose(p, others, err)
	}
	return choose(paths, v)
}

// choose takes the first path that has no weak key, is not too long and
// constrains the name that the certificate is believed for.
func choose(paths [][]*x509.Certificate, v *Verdict) (reason.Code, string) {
	var code reason.Code
	var detail string
	for _, path := range paths {
		code, detail = strengthOf(path[1:])
		if len(path) > MaxPath {
			code, detail = reason.BadPath, fmt.Sprintf("the path has more than %d certificates", MaxPath)
		}
		if v.Binding == BySubject && anyConstrains(path[1:]) {
			code, detail = reason.BadPath, "name constraints do not hold for a certificate bound by its subject's emailAddress"
		}
		if code.IsOK() {
			v.Path, v.Anchor = path, path[len(path)-1]
			return reason.OK, ""
		}
	}
	return code, detail
}

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// anyConstrains reports whether an authority may issue for some names only.
// crypto/x509 holds the subjectAltName to that, yet not the emailAddress of a
// subject without one, as RFC 5280 §4.2.1.10 asks: what binds by that address
// is then refused whole.
func anyConstrains(authorities []*x509.Certificate) bool {
	for _, c := range authorities {
		if hasExtension(c, oidNameConstraints) {
			return true
		}
	}
	return false
}

// usable returns the intermediates worth a look: not those whose signatures
// would cost us much to check. Weak ones stay, so that a path over one is
// refused for that reason.
func usable(all []*x509.Certificate) []*x509.Certificate {
	var good []*x509.Certificate
	for i, c := range all {
		if i == MaxIntermediates {
			break
		}
		if c != nil && !oversized(c) {
			good = append(good, c)
		}
	}
	return good
}

// build returns the valid paths at p.At. CP-28: where one of the certificates
// has just begun by its issuer's clock, a path that holds at the end of the
// skew is as good, since all dates that end were checked for a later moment.
func build(p Params, others []*x509.Certificate) ([][]*x509.Certificate, error) {
	pool := x509.NewCertPool()
	for _, c := range others {
		pool.AddCert(c)
	}
	o := x509.VerifyOptions{
		Roots:         p.Anchors.pool, // never nil, which would mean the system's roots (AS-60)
		Intermediates: pool,
		CurrentTime:   p.At,
		// RFC 8550 §4.4.4: an authority whose extendedKeyUsage leaves mail out
		// issues no certificates for mail. One without the extension may.
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	paths, err := p.Certificate.Verify(o)
	if err != nil && (begins(p.Certificate, p.At) || anyBegins(others, p.At)) {
		o.CurrentTime = p.At.Add(ClockSkew)
		return p.Certificate.Verify(o)
	}
	return paths, err
}

func anyBegins(certs []*x509.Certificate, at time.Time) bool {
	for _, c := range certs {
		if begins(c, at) {
			return true
		}
	}
	return false
}

func begins(c *x509.Certificate, at time.Time) bool {
	return c.NotBefore.After(at) && !c.NotBefore.After(at.Add(ClockSkew))
}

// diagnose tells a certificate that leads to no anchor of ours from one that
// does, over a path with a defect. It decides on the words alone: the refusal
// stands already.
func diagnose(p Params, others []*x509.Certificate, err error) (reason.Code, string) {
	s := search{anchors: p.Anchors, others: others, at: p.At, seen: map[Fingerprint]bool{}}
	if !s.reaches(p.Certificate, 1) {
		return reason.UntrustedAnchor, fmt.Sprintf("no path to an anchor: the issuer %q is neither an anchor nor known", s.top.Issuer)
	}
	if s.defect != "" {
		return reason.BadPath, s.defect
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Cert != nil {
		return reason.BadPath, fmt.Sprintf("%q: %v", name(invalid.Cert), err)
	}
	return reason.BadPath, err.Error()
}

// A search climbs from issuer to issuer by name and signature, without regard
// to dates and constraints, and keeps the first defect it passes.
type search struct {
	anchors    *Anchors
	others     []*x509.Certificate
	at         time.Time
	seen       map[Fingerprint]bool
	signatures int
	defect     string
	top        *x509.Certificate // the last certificate without an issuer
}

// reaches reports whether cert, the depth-th of its path, leads to an anchor.
func (s *search) reaches(cert *x509.Certificate, depth int) bool {
	if s.anchors.Contains(cert) {
		return true
	}
	s.seen[FingerprintOf(cert)] = true
	for _, up := range s.issuers(cert) {
		if depth == MaxPath {
			break
		}
		if s.seen[FingerprintOf(up)] || !s.signed(cert, up) {
			continue
		}
		before := s.defect
		s.note(signatureProblem(cert))
		s.note(s.dateProblem(up))
		s.note(authorityProblem(up))
		if s.reaches(up, depth+1) {
			return true
		}
		s.defect = before
	}
	if s.top == nil {
		s.top = cert
	}
	return false
}

// issuers returns the certificates that bear the name of cert's issuer.
func (s *search) issuers(cert *x509.Certificate) []*x509.Certificate {
	issuer := string(cert.RawIssuer)
	found := s.anchors.bySubject[issuer]
	found = found[:len(found):len(found)]
	for _, c := range s.others {
		if string(c.RawSubject) == issuer {
			found = append(found, c)
		}
	}
	return found
}

// signed reports whether up's key made the signature on cert. An algorithm
// that is refused cannot be checked; the matching name must do, for a reason
// that says so.
func (s *search) signed(cert, up *x509.Certificate) bool {
	if s.signatures >= maxSignatures {
		return false
	}
	s.signatures++
	if signatureProblem(cert) != "" {
		return true
	}
	return up.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

func (s *search) note(problem string) {
	if s.defect == "" {
		s.defect = problem
	}
}

func (s *search) dateProblem(cert *x509.Certificate) string {
	if s.at.After(cert.NotAfter) {
		return fmt.Sprintf("%q ended on %s", name(cert), date(cert.NotAfter)) // TB-19 for anchors
	}
	if s.at.Add(ClockSkew).Before(cert.NotBefore) {
		return fmt.Sprintf("%q begins on %s", name(cert), date(cert.NotBefore))
	}
	return ""
}

// authorityProblem checks what makes an authority (RFC 5280 §4.2.1.9, §4.2.1.3).
func authorityProblem(cert *x509.Certificate) string {
	if cert.Version == 3 && !(cert.BasicConstraintsValid && cert.IsCA) {
		return fmt.Sprintf("%q is not an authority, yet it issued a certificate", name(cert))
	}
	if cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Sprintf("%q may not sign certificates (keyUsage)", name(cert))
	}
	return ""
}
