package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postern/mime"
)

var oidNameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// constraintProblem checks the name constraints of an authority where
// crypto/x509 is more lenient than we may be (RFC 5280 §4.2.1.10), or returns "":
//
//   - It passes over constraints on kinds of names that it does not know, such as
//     directoryName, unless the extension is critical.
//   - It holds only the subjectAltName to constraints on addresses, yet not the
//     emailAddress of a subject without one: what binds by that is refused whole.
//   - It lets a constraint to a host speak for the hosts below it, and tells upper
//     from lower case in the local part, where a binding does not (AS-4).
//   - A dNSName is no address for it, and an address has no dNSName. In Direct the
//     one speaks for all addresses of its domain, and the other lies in a domain, so
//     that constraints of either kind concern both.
func constraintProblem(cert *x509.Certificate, addr mime.Address, b Binding) string {
	if !hasExtension(cert, oidNameConstraints) {
		return ""
	}
	switch {
	case constrainsOthers(cert):
		return fmt.Sprintf("%q constrains names of a kind that is not checked", name(cert))
	case b == BySubject:
		return "name constraints do not hold for a certificate bound by its subject's emailAddress"
	case !permits(cert, addr):
		return fmt.Sprintf("%q may not issue for %s (name constraints)", name(cert), addr)
	}
	return ""
}

// permits reports whether an authority's constraints on rfc822Names allow addr,
// and those on dNSNames its domain.
func permits(cert *x509.Certificate, addr mime.Address) bool {
	about := func(constraint string) bool { return within(addr, constraint) }
	under := func(constraint string) bool { return below(addr.Domain().String(), constraint) }
	return allowed(cert.PermittedEmailAddresses, cert.ExcludedEmailAddresses, about) &&
		allowed(cert.PermittedDNSDomains, cert.ExcludedDNSDomains, under)
}

// allowed applies constraints on one kind of name: what is excluded is not
// permitted by another, and where nothing is permitted by name, all the rest is.
func allowed(permitted, excluded []string, matches func(constraint string) bool) bool {
	if slices.ContainsFunc(excluded, matches) {
		return false
	}
	return len(permitted) == 0 || slices.ContainsFunc(permitted, matches)
}

// below reports whether a constraint on dNSNames is about host: that domain and
// all below it, or with a leading dot those below alone, which crypto/x509 reads
// so as well. An empty one is about everybody.
func below(host, constraint string) bool {
	constraint = strings.ToLower(constraint)
	if constraint == "" || host == constraint {
		return true
	}
	return strings.HasSuffix(host, "."+strings.TrimPrefix(constraint, "."))
}

// within reports whether a constraint is about addr: a mailbox, a host, or with
// a leading dot all hosts below a domain. An empty one is about everybody.
func within(addr mime.Address, constraint string) bool {
	host := addr.Domain().String()
	switch {
	case constraint == "":
		return true
	case strings.Contains(constraint, "@"):
		return sameAddress(constraint, addr)
	case strings.HasPrefix(constraint, "."):
		return strings.HasSuffix(host, strings.ToLower(constraint))
	}
	return host == strings.ToLower(constraint)
}

// The kinds of GeneralName that crypto/x509 checks (RFC 5280 §4.2.1.6).
const (
	tagRFC822Name = cbasn1.Tag(1 | 0x80)
	tagDNSName    = cbasn1.Tag(2 | 0x80)
	tagURI        = cbasn1.Tag(6 | 0x80)
	tagIPAddress  = cbasn1.Tag(7 | 0x80)
)

// constrainsOthers reports whether a NameConstraints extension is about other
// kinds of names. What cannot be read is about anything.
func constrainsOthers(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidNameConstraints) && !knownSubtrees(e.Value) {
			return true
		}
	}
	return false
}

func knownSubtrees(der cryptobyte.String) bool {
	var constraints cryptobyte.String
	if !der.ReadASN1(&constraints, cbasn1.SEQUENCE) {
		return false
	}
	for !constraints.Empty() {
		var subtrees cryptobyte.String
		var which cbasn1.Tag // permitted or excluded
		if !constraints.ReadAnyASN1(&subtrees, &which) {
			return false
		}
		for !subtrees.Empty() {
			var subtree, base cryptobyte.String
			var kind cbasn1.Tag
			if !subtrees.ReadASN1(&subtree, cbasn1.SEQUENCE) || !subtree.ReadAnyASN1(&base, &kind) {
				return false
			}
			// minimum must be 0, which DER leaves out, and maximum absent.
			if !subtree.Empty() || !(kind == tagRFC822Name || kind == tagDNSName || kind == tagURI || kind == tagIPAddress) {
				return false
			}
		}
	}
	return true
}
