package revocation

import (
	"crypto/x509"
	"net/url"
	"slices"
	"strings"
)

// Bounds on what Sources returns.
const (
	MaxSources  = 4    // CRLs, and as many OCSP responders
	MaxURL      = 1024 // octets
	maxPassed   = 8
	maxPassedOf = 200 // characters
)

// Sources returns where the revocation of a certificate can be learnt: the URLs
// of its CRL distribution points (RFC 5280 §4.2.1.13) and of its OCSP responders
// (§4.2.2.1), as they stand in the certificate, in their order, each once.
// passedOver tells a human of those that are not asked: by other means than
// HTTP, indirect, for some reasons only, or too many.
func Sources(cert *x509.Certificate) (crls, ocsp, passedOver []string) {
	var s sources
	points, err := pointsOf(cert)
	if err != nil {
		s.pass(err.Error())
	}
	for _, p := range points {
		s.point(p)
	}
	for _, u := range cert.OCSPServer {
		s.take(&s.ocsp, u, "")
	}
	return s.crls, s.ocsp, s.passed
}

type sources struct{ crls, ocsp, passed []string }

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
		switch n.tag {
		case uriName:
			s.take(&s.crls, string(n.contents), problem)
		case directoryName:
			s.pass("a directory name")
		default:
			s.pass("a name of another kind than a URL")
		}
	}
}

// take adds a URL to a list unless it has a problem.
func (s *sources) take(list *[]string, u, problem string) {
	if slices.Contains(*list, u) {
		return
	}
	if problem == "" {
		problem = urlProblem(u)
	}
	if problem == "" && len(*list) == MaxSources {
		problem = "one too many"
	}
	if problem != "" {
		s.pass(printable(u) + ": " + problem)
		return
	}
	*list = append(*list, u)
}

func (s *sources) pass(what string) {
	if len(s.passed) < maxPassed && !slices.Contains(s.passed, what) {
		s.passed = append(s.passed, what)
	}
}

// urlProblem says why a URL is not asked, or returns "".
func urlProblem(s string) string {
	if len(s) > MaxURL {
		return "too long"
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || strings.ContainsFunc(s, odd):
		return "not a URL"
	case !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https"):
		return "not HTTP"
	case u.Hostname() == "" || u.User != nil:
		return "not a URL of HTTP"
	}
	return ""
}

// printable makes a harmless line of what a stranger wrote.
func printable(s string) string {
	if len(s) > maxPassedOf {
		s = s[:maxPassedOf] + "..."
	}
	return strings.Map(func(r rune) rune {
		if odd(r) {
			return '?'
		}
		return r
	}, s)
}

func odd(r rune) bool { return r <= ' ' || r > '~' }
