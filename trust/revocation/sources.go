package revocation

import (
	"crypto/x509"
	"slices"

	"postern/trust/reason"
)

// Bounds on what Sources tells of what it passes over.
const (
	maxPassed   = 8
	maxPassedOf = 200 // octets of a URL
)

// Sources returns where the revocation of a certificate can be learnt: the names
// of its CRL distribution points (RFC 5280 §4.2.1.13) that are URIs, and those of
// its OCSP responders (§4.2.2.1), as they stand in the certificate and in their
// order. They may be anything, and any number: whoever fetches judges which of
// them to ask. passedOver tells a human of points that answer for nobody here:
// those named by other means than a URI, indirect, or for some reasons only.
func Sources(cert *x509.Certificate) (crls, ocsp, passedOver []string) {
	var s sources
	points, err := pointsOf(cert)
	if err != nil {
		s.pass(err.Error())
	}
	for _, p := range points {
		s.point(p)
	}
	return s.crls, slices.Clone(cert.OCSPServer), s.passed
}

type sources struct{ crls, passed []string }

func (s *sources) point(p point) {
	var problem string
	switch {
	case p.relative:
		s.pass("a name relative to the CRL issuer's")
	case len(p.names) == 0:
		s.pass("a distribution point without a name")
	case p.partial:
		problem = "for some reasons only"
	case p.indirect:
		problem = "an indirect CRL"
	}
	for _, n := range p.names {
		switch {
		case n.tag == uriName && problem == "":
			s.crls = append(s.crls, string(n.contents))
		case n.tag == uriName:
			s.pass(reason.Line(string(n.contents), maxPassedOf) + ": " + problem)
		case n.tag == directoryName:
			s.pass("a directory name")
		default:
			s.pass("a name of another kind than a URL")
		}
	}
}

func (s *sources) pass(what string) {
	if len(s.passed) < maxPassed && !slices.Contains(s.passed, what) {
		s.passed = append(s.passed, what)
	}
}
