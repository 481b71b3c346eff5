package trust

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strconv"
	"strings"

	"postern/mime"
)

// A Binding says what in a certificate names an address.
type Binding string

// The bindings. The zero Binding is none.
const (
	ByAddress Binding = "address"         // SAN rfc822Name equal to the address
	ByDomain  Binding = "domain"          // SAN dNSName equal to its domain
	BySubject Binding = "subject-address" // emailAddress of the subject name, V12 alone
)

// emailAddress is the PKCS #9 attribute (RFC 2985 §5.2.1).
var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// maxNames is how many names a subjectAltName may have: a certificate with more
// than any that was issued in good faith speaks for nobody, since each name costs
// us a look for each address that it might bind to.
const maxNames = 1000

// Binds reports whether cert speaks for addr, and by what. An organisation's
// certificate speaks for every address of exactly its domain (AS-11). One with
// more than 1,000 names speaks for nobody.
func Binds(cert *x509.Certificate, addr mime.Address, p Profile) (Binding, bool) {
	b, problem := bind(cert, addr, p)
	return b, problem == ""
}

// bind returns the binding or, for our own eyes, what is wrong.
func bind(cert *x509.Certificate, addr mime.Address, p Profile) (Binding, string) {
	if addr.IsZero() {
		return "", "there is no address to bind to"
	}
	if n := len(cert.EmailAddresses) + len(cert.DNSNames); n > maxNames {
		return "", fmt.Sprintf("the subjectAltName has %d names, more than %d", n, maxNames)
	}
	if p != V12 {
		problem := namesProblem(cert)
		if problem != "" {
			return "", problem
		}
	}
	b := bindByName(cert, addr)
	if p == V12 {
		return bindLegacy(cert, addr, b)
	}
	if b == "" {
		return "", notNamed(cert, addr)
	}
	return b, ""
}

// namesProblem holds what v1.3 asks of the subjectAltName, whomever it names: no
// wildcard (AS-14) and a single name (AS-17). A name that is there twice counts
// once, and other kinds of names than these two do not count. It returns ""
// where all is well.
func namesProblem(cert *x509.Certificate) string {
	switch {
	case hasWildcard(cert):
		// Under v1.2 they just do not bind, because they equal no domain.
		return "the subjectAltName has a wildcard dNSName, which v1.3 does not allow"
	case len(cert.EmailAddresses) > 0 && len(cert.DNSNames) > 0:
		return "the subjectAltName has an rfc822Name beside a dNSName, and v1.3 allows a single name"
	case several(cert.EmailAddresses):
		return "the subjectAltName has several rfc822Names, and v1.3 allows a single name"
	case several(cert.DNSNames):
		return "the subjectAltName has several dNSNames, and v1.3 allows a single name"
	}
	return ""
}

// several reports whether there are different names, without regard to the case
// of ASCII (AS-4), the only characters that they can have.
func several(names []string) bool {
	for _, n := range names {
		if !strings.EqualFold(n, names[0]) {
			return true
		}
	}
	return false
}

func bindByName(cert *x509.Certificate, addr mime.Address) Binding {
	for _, name := range cert.EmailAddresses {
		if sameAddress(name, addr) {
			return ByAddress
		}
	}
	for _, name := range cert.DNSNames {
		// AS-13: the whole domain, neither a parent nor a child of it.
		if sameDomain(name, addr.Domain()) {
			return ByDomain
		}
	}
	return ""
}

// bindLegacy adds what v1.2 knows of the subject's emailAddress: it binds where
// the SAN holds no name of ours at all (AS-15), and where the SAN binds it must
// not say something else (AS-16).
func bindLegacy(cert *x509.Certificate, addr mime.Address, b Binding) (Binding, string) {
	emails := subjectAddresses(cert)
	if b == "" {
		named := len(cert.EmailAddresses) + len(cert.DNSNames)
		for _, e := range emails {
			if named == 0 && sameAddress(e, addr) {
				return BySubject, ""
			}
		}
		return "", notNamed(cert, addr)
	}
	for _, e := range emails {
		if !agrees(e, addr, b) {
			return "", fmt.Sprintf("the subject's emailAddress %q contradicts the subjectAltName", e)
		}
	}
	return b, ""
}

// agrees reports whether the subject's emailAddress e may stand beside a SAN
// that binds to addr by b. An organisation's certificate may name its domain or
// any address in it.
func agrees(e string, addr mime.Address, b Binding) bool {
	if b == ByAddress {
		return sameAddress(e, addr)
	}
	return sameDomain(e[strings.LastIndexByte(e, '@')+1:], addr.Domain())
}

func notNamed(cert *x509.Certificate, addr mime.Address) string {
	if len(cert.EmailAddresses)+len(cert.DNSNames) == 0 {
		return "the subjectAltName has neither an rfc822Name nor a dNSName" // AS-12
	}
	return fmt.Sprintf("the certificate is for %s, not for %s",
		summary(append(cert.EmailAddresses[:len(cert.EmailAddresses):len(cert.EmailAddresses)], cert.DNSNames...)), addr)
}

// summary writes the first few names of a certificate that may hold thousands.
func summary(names []string) string {
	const most = 3
	var quoted []string
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, strconv.Quote(name))
	}
	text := strings.Join(quoted, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

func hasWildcard(cert *x509.Certificate) bool {
	for _, name := range cert.DNSNames {
		if strings.Contains(name, "*") {
			return true
		}
	}
	return false
}

// sameAddress compares without regard to case (AS-4). A name that is no plain
// Direct address is nobody's, and neither is one with a final dot. The domain is
// compared first, so that of many names few are read.
func sameAddress(name string, addr mime.Address) bool {
	if !sameDomain(name[strings.LastIndexByte(name, '@')+1:], addr.Domain()) {
		return false
	}
	a, err := mime.ParseAddress(name)
	return err == nil && a.Same(addr)
}

// sameDomain compares without regard to case (AS-4). Reading name as a domain
// keeps everything out that is not letters, digits and hyphens, so that no
// rule of Unicode for upper and lower case has a say.
func sameDomain(name string, d mime.Domain) bool {
	if !strings.EqualFold(name, string(d)) { // so not one with a final dot either
		return false
	}
	parsed, err := mime.ParseDomain(name)
	return err == nil && parsed == d
}

func subjectAddresses(cert *x509.Certificate) []string {
	var all []string
	for _, a := range cert.Subject.Names {
		s, ok := a.Value.(string)
		if ok && a.Type.Equal(oidEmailAddress) {
			all = append(all, s)
		}
	}
	return all
}
