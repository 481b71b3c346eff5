package revocation

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/trust"
)

// A generalName is a GeneralName (RFC 5280 §4.2.1.6), not decoded.
type generalName struct {
	tag      asn1.Tag
	contents cryptobyte.String
}

// The kinds of names that matter here.
const (
	directoryName = explicit4
	uriName       = implicit6
)

// String returns the name in a form that is equal exactly if the names are.
func (n generalName) String() string { return string([]byte{byte(n.tag)}) + string(n.contents) }

func readGeneralName(s *cryptobyte.String) (n generalName, ok bool) {
	return n, s.ReadAnyASN1(&n.contents, &n.tag)
}

// A point is a DistributionPoint of a certificate (RFC 5280 §4.2.1.13).
type point struct {
	names    []generalName
	relative bool // its name is relative to the CRL issuer's
	partial  bool // its CRLs are for some reasons only
	indirect bool // its CRLs are another issuer's
}

// pointsOf returns the distribution points of a certificate, none without the
// extension.
func pointsOf(cert *x509.Certificate) ([]point, error) {
	value, ok := extensionOf(cert, oidDistributionPoints)
	if !ok {
		return nil, nil
	}
	var list cryptobyte.String
	if !value.ReadASN1(&list, asn1.SEQUENCE) || !value.Empty() {
		return nil, fmt.Errorf("the certificate's distribution points: %w", errMalformed)
	}
	var points []point
	for !list.Empty() {
		p, ok := readPoint(&list, cert.RawIssuer)
		if !ok {
			return nil, fmt.Errorf("the certificate's distribution points: %w", errMalformed)
		}
		points = append(points, p)
	}
	return points, nil
}

func readPoint(s *cryptobyte.String, issuer []byte) (p point, ok bool) {
	var body, name, names, reasons, issuers cryptobyte.String
	var named, foreign bool
	if !s.ReadASN1(&body, asn1.SEQUENCE) ||
		!body.ReadOptionalASN1(&name, &named, explicit0) ||
		!body.ReadOptionalASN1(&reasons, &p.partial, implicit1) ||
		!body.ReadOptionalASN1(&issuers, &foreign, explicit2) || !body.Empty() {
		return p, false
	}
	p.indirect = foreign && !namesOnly(issuers, issuer)
	if !named {
		return p, true
	}
	if name.PeekASN1Tag(explicit1) {
		p.relative = true
		return p, true
	}
	if !name.ReadASN1(&names, explicit0) || !name.Empty() {
		return p, false
	}
	for !names.Empty() {
		n, ok := readGeneralName(&names)
		if !ok {
			return p, false
		}
		p.names = append(p.names, n)
	}
	return p, true
}

// namesOnly reports whether a cRLIssuer is the certificate's issuer itself,
// which should not be said but is harmless.
func namesOnly(issuers cryptobyte.String, issuer []byte) bool {
	n, ok := readGeneralName(&issuers)
	return ok && issuers.Empty() && n.tag == directoryName && trust.SameName(n.contents, issuer)
}
