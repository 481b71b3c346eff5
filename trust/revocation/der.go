package revocation

import (
	"bytes"
	"errors"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// errMalformed is for what is not the DER that its definition asks for.
var errMalformed = errors.New("malformed")

// Context-specific tags: implicit ones of primitive types, and explicit ones,
// which are also the implicit ones of constructed types.
const (
	implicit0 = asn1.Tag(0x80)
	implicit1 = asn1.Tag(0x81)
	implicit2 = asn1.Tag(0x82)
	implicit3 = asn1.Tag(0x83)
	implicit4 = asn1.Tag(0x84)
	implicit5 = asn1.Tag(0x85)
	implicit6 = asn1.Tag(0x86)
	explicit0 = asn1.Tag(0xa0)
	explicit1 = asn1.Tag(0xa1)
	explicit2 = asn1.Tag(0xa2)
	explicit4 = asn1.Tag(0xa4)
)

// Object identifiers as the contents of their DER, which are compared without
// being decoded.
const (
	oidIssuerAltName       = "\x55\x1d\x12"
	oidCRLNumber           = "\x55\x1d\x14"
	oidReasonCode          = "\x55\x1d\x15"
	oidHoldInstruction     = "\x55\x1d\x17"
	oidInvalidityDate      = "\x55\x1d\x18"
	oidDeltaCRL            = "\x55\x1d\x1b"
	oidIssuingPoint        = "\x55\x1d\x1c"
	oidCertificateIssuer   = "\x55\x1d\x1d"
	oidAuthorityKey        = "\x55\x1d\x23"
	oidFreshestCRL         = "\x55\x1d\x2e"
	oidAuthorityInfoAccess = "\x2b\x06\x01\x05\x05\x07\x01\x01"
)

// An extension is one of RFC 5280 §4.1.2.9, in a certificate, a CRL, an entry
// of it or an OCSP response.
type extension struct {
	id       cryptobyte.String // contents of the OBJECT IDENTIFIER
	critical bool
	value    cryptobyte.String
}

// eachExtension calls f for the extensions of a list, in their order.
func eachExtension(list cryptobyte.String, f func(extension) error) error {
	if list.Empty() {
		return errMalformed // SIZE (1..MAX)
	}
	for !list.Empty() {
		e, ok := readExtension(&list)
		if !ok {
			return errMalformed
		}
		err := f(e)
		if err != nil {
			return err
		}
	}
	return nil
}

func readExtension(list *cryptobyte.String) (e extension, ok bool) {
	var body cryptobyte.String
	if !list.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&e.id, asn1.OBJECT_IDENTIFIER) {
		return e, false
	}
	if body.PeekASN1Tag(asn1.BOOLEAN) && !body.ReadASN1Boolean(&e.critical) {
		return e, false
	}
	return e, body.ReadASN1(&e.value, asn1.OCTET_STRING) && body.Empty()
}

// readTime reads UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 has them: with
// seconds, without fractions, in GMT.
func readTime(s *cryptobyte.String) (time.Time, bool) {
	var raw cryptobyte.String
	var tag asn1.Tag
	peek := *s
	if !peek.ReadAnyASN1(&raw, &tag) || !bytes.HasSuffix(raw, []byte("Z")) {
		return time.Time{}, false
	}
	var t time.Time
	switch {
	case tag == asn1.UTCTime && len(raw) == len("060102150405Z"):
		return t, s.ReadASN1UTCTime(&t)
	case tag == asn1.GeneralizedTime:
		return t, s.ReadASN1GeneralizedTime(&t)
	}
	return t, false
}

// readInteger reads an INTEGER of any size and returns its contents, which are
// of the shortest form.
func readInteger(s *cryptobyte.String) (cryptobyte.String, bool) {
	var n cryptobyte.String
	if !s.ReadASN1(&n, asn1.INTEGER) || len(n) == 0 {
		return nil, false
	}
	padded := len(n) > 1 && (n[0] == 0 && n[1]&0x80 == 0 || n[0] == 0xff && n[1]&0x80 != 0)
	return n, !padded
}

// readEnumerated reads an ENUMERATED of one octet.
func readEnumerated(s *cryptobyte.String) (int, bool) {
	var n cryptobyte.String
	if !s.ReadASN1(&n, asn1.ENUM) || len(n) != 1 || n[0]&0x80 != 0 {
		return 0, false
	}
	return int(n[0]), true
}
