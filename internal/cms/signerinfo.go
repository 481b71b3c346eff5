package cms

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A signerInfo is a SignerInfo (RFC 5652 §5.3), parsed and not judged.
type signerInfo struct {
	id        identifier
	digest    algorithm
	signature algorithm
	value     []byte
	attrs     *signedAttributes // nil if absent
	err       error             // it could not be parsed
}

func parseSignerInfo(in cryptobyte.String) signerInfo {
	var s signerInfo
	bad := signerInfo{err: malformed("a signer is not encoded as it should be")}
	var seq, attrs, value, rest cryptobyte.String
	var version int64
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1Integer(&version) {
		return bad
	}
	var ok, present bool
	s.id, ok = readIdentifier(&seq)
	if !ok {
		return bad
	}
	s.digest, ok = readAlgorithm(&seq)
	if !ok || !seq.ReadOptionalASN1(&attrs, &present, contextTag(0)) {
		return bad
	}
	s.signature, ok = readAlgorithm(&seq)
	if !ok || !seq.ReadASN1(&value, cbasn1.OCTET_STRING) {
		return bad
	}
	s.value = value
	// Unsigned attributes bind nobody; they are passed over.
	if !seq.ReadOptionalASN1(&rest, nil, contextTag(1)) || !seq.Empty() {
		return bad
	}
	if !present {
		return s
	}
	parsed, err := parseSignedAttributes(attrs)
	s.attrs = &parsed
	s.err = err
	return s
}

// signedAttributes are the SignedAttributes (RFC 5652 §5.3) that this package
// reads, and the octets that are signed.
type signedAttributes struct {
	encoded       []byte // the contents of the set, in the order received
	sorted        []byte // the same in the order of DER; nil if it is that
	contentType   asn1.ObjectIdentifier
	messageDigest []byte
	signingTime   time.Time // zero if absent
}

func parseSignedAttributes(set cryptobyte.String) (signedAttributes, error) {
	a := signedAttributes{encoded: set}
	var elements [][]byte
	seen := make(map[string]bool)
	for !set.Empty() {
		var element, attr, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !set.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return a, malformed("a signed attribute is none")
		}
		elements = append(elements, element)
		if !element.ReadASN1(&attr, cbasn1.SEQUENCE) ||
			!attr.ReadASN1ObjectIdentifier(&oid) ||
			!attr.ReadASN1(&values, cbasn1.SET) || !attr.Empty() {
			return a, malformed("a signed attribute is none")
		}
		// RFC 5652 §11: of these, one each with one value; and a second of any
		// other would be as ambiguous.
		if seen[oid.String()] {
			return a, fmt.Errorf("%w: signed attribute %v twice", ErrBadSignature, oid)
		}
		seen[oid.String()] = true
		err := a.read(oid, values)
		if err != nil {
			return a, err
		}
	}
	if !slices.IsSortedFunc(elements, bytes.Compare) {
		slices.SortFunc(elements, bytes.Compare)
		a.sorted = slices.Concat(elements...)
	}
	return a, nil
}

// read takes the value of an attribute that matters.
func (a *signedAttributes) read(oid asn1.ObjectIdentifier, values cryptobyte.String) error {
	ok := true
	switch {
	case oid.Equal(oidContentType):
		ok = values.ReadASN1ObjectIdentifier(&a.contentType) && values.Empty()
	case oid.Equal(oidMessageDigest):
		var digest cryptobyte.String
		ok = values.ReadASN1(&digest, cbasn1.OCTET_STRING) && values.Empty()
		a.messageDigest = digest
	case oid.Equal(oidSigningTime):
		ok = readTime(&values, &a.signingTime) && values.Empty()
	}
	if !ok {
		return fmt.Errorf("%w: signed attribute %v has not one value of its kind", ErrBadSignature, oid)
	}
	return nil
}

// readTime reads a Time (RFC 5652 §11.3).
func readTime(s *cryptobyte.String, t *time.Time) bool {
	if s.PeekASN1Tag(cbasn1.UTCTime) {
		return s.ReadASN1UTCTime(t)
	}
	return s.ReadASN1GeneralizedTime(t)
}

// check holds the attributes against the content (RFC 5652 §5.4, §5.6).
func (a *signedAttributes) check(contentType asn1.ObjectIdentifier, digest []byte) error {
	if a == nil {
		// Without them, a signature over some content can be passed off as one
		// over attributes, and the reverse (AS-49; RFC 5652 §5.3).
		return fmt.Errorf("%w: there are no signed attributes", ErrBadSignature)
	}
	if len(a.contentType) == 0 || !a.contentType.Equal(contentType) { // RFC 5652 §11.1
		return fmt.Errorf("%w: it is for another type of content", ErrBadSignature)
	}
	if len(a.messageDigest) == 0 || !bytes.Equal(a.messageDigest, digest) { // RFC 5652 §11.2
		return fmt.Errorf("%w: the content is not what was signed", ErrBadSignature)
	}
	return nil
}

// digests returns what may have been signed. RFC 5652 §5.4 wants the DER of the
// SET OF, which is sorted; some senders sign the order they sent. Both say the
// same.
func (a *signedAttributes) digests(h crypto.Hash) [][]byte {
	var all [][]byte
	for _, set := range a.sets() {
		d := h.New()
		d.Write(set)
		all = append(all, d.Sum(nil))
	}
	return all
}

// sets returns the attributes as a SET OF, in the order received and, if that
// is another, in the order of DER.
func (a *signedAttributes) sets() [][]byte {
	all := [][]byte{append(appendHeader(nil, tagSet, int64(len(a.encoded))), a.encoded...)}
	if a.sorted != nil {
		all = append(all, append(appendHeader(nil, tagSet, int64(len(a.sorted))), a.sorted...))
	}
	return all
}
