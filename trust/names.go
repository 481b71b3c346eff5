package trust

import (
	"crypto/x509"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// canonicalName returns what is the same for names that RFC 5280 §7.1 takes for
// equal: those that differ in the string type of a value, in upper and lower
// case or in white space. Compatibility forms of Unicode are told apart, which
// finds a path less at worst. A name that does not parse is its own.
func canonicalName(raw []byte) string {
	der := cryptobyte.String(raw)
	var rdns cryptobyte.String
	if !der.ReadASN1(&rdns, cbasn1.SEQUENCE) || !der.Empty() {
		return string(raw)
	}
	var out []byte
	for !rdns.Empty() {
		var rdn cryptobyte.String
		if !rdns.ReadASN1(&rdn, cbasn1.SET) {
			return string(raw)
		}
		attributes, ok := canonicalAttributes(rdn)
		if !ok {
			return string(raw)
		}
		out = binary.AppendUvarint(out, uint64(len(attributes)))
		for _, a := range attributes {
			out = binary.AppendUvarint(out, uint64(len(a)))
			out = append(out, a...)
		}
	}
	return string(out)
}

// canonicalAttributes returns those of one relative name in an order of their
// own: DER orders a set by its encoding, of which we keep little.
func canonicalAttributes(rdn cryptobyte.String) ([]string, bool) {
	var all []string
	for !rdn.Empty() {
		var attribute, id, value cryptobyte.String
		var tag cbasn1.Tag
		if !rdn.ReadASN1(&attribute, cbasn1.SEQUENCE) || !attribute.ReadASN1Element(&id, cbasn1.OBJECT_IDENTIFIER) ||
			!attribute.ReadAnyASN1(&value, &tag) || !attribute.Empty() {
			return nil, false
		}
		all = append(all, string(id)+canonicalValue(tag, value))
	}
	slices.Sort(all)
	return all, true
}

// Tags that cryptobyte/asn1 has no name for.
const (
	tagUniversalString = cbasn1.Tag(28)
	tagBMPString       = cbasn1.Tag(30)
)

func canonicalValue(tag cbasn1.Tag, value []byte) string {
	var text string
	switch tag {
	case cbasn1.PrintableString, cbasn1.UTF8String, cbasn1.IA5String:
		text = string(value)
	case tagBMPString:
		text = wide(value, 2)
	case tagUniversalString:
		text = wide(value, 4)
	}
	if text == "" || !utf8.ValidString(text) {
		return string(rune(tag)) + string(value)
	}
	return strings.Join(strings.Fields(strings.ToLower(text)), " ")
}

// wide decodes characters of so many octets, or returns "".
func wide(value []byte, octets int) string {
	if len(value)%octets != 0 {
		return ""
	}
	if octets == 4 {
		var b strings.Builder
		for c := range slices.Chunk(value, 4) {
			b.WriteRune(rune(binary.BigEndian.Uint32(c)))
		}
		return b.String()
	}
	units := make([]uint16, 0, len(value)/2)
	for c := range slices.Chunk(value, 2) {
		units = append(units, binary.BigEndian.Uint16(c))
	}
	return string(utf16.Decode(units))
}

// A link is a certificate and one whose key signed it.
type link struct{ cert, up *x509.Certificate }

// align makes crypto/x509, which compares names octet by octet, see issuers whose
// names are written differently in what they issued: it gets a copy of the issued
// certificate with the issuer's own way of writing. The signature on each link was
// checked already, and x509 checks it again over the octets that were signed.
// align reports whether there was anything to do.
func (q *quest) align(links []link) bool {
	for _, l := range links {
		c := *l.cert
		c.RawIssuer = l.up.RawSubject
		if q.originals == nil {
			q.originals = make(map[*x509.Certificate]*x509.Certificate)
		}
		q.originals[&c] = q.original(l.cert)
		if l.cert == q.leaf {
			q.leaf = &c
			continue
		}
		q.others[slices.Index(q.others, l.cert)] = &c
	}
	return len(links) > 0
}

// original returns the certificate that align made cert of, or cert.
func (q *quest) original(cert *x509.Certificate) *x509.Certificate {
	o, ok := q.originals[cert]
	if ok {
		return o
	}
	return cert
}
