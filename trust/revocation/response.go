package revocation

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// x/crypto/ocsp would read responses too. It picks a status by the serial
// number alone, keeps the issuer's digests to itself, takes "good" beside
// "revoked" for good, ignores critical extensions of the response and cannot
// name RSASSA-PSS: what decides here would have to be read a second time.

const (
	oidBasicResponse = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
	oidSHA1          = "\x2b\x0e\x03\x02\x1a"
	oidSHA256        = "\x60\x86\x48\x01\x65\x03\x04\x02\x01"
)

// A response is a BasicOCSPResponse (RFC 6960 §4.2.1), partly read.
type response struct {
	signed    signed
	byName    bool              // responder is a Name, else the SHA-1 of a key
	responder cryptobyte.String // ResponderID
	produced  time.Time         // when it was signed (RFC 6960 §2.4)
	responses cryptobyte.String // contents of SEQUENCE OF SingleResponse
	certs     cryptobyte.String // contents of SEQUENCE OF Certificate
}

// A single is a SingleResponse.
type single struct {
	id         certID
	status     asn1.Tag
	revoked    revocation // if status is statusRevoked
	this, next time.Time
	extensions cryptobyte.String // contents of the SEQUENCE; empty if there are none
}

// A certID is a CertID (RFC 6960 §4.1.1).
type certID struct{ hash, issuerName, issuerKey, serial cryptobyte.String }

// readResponse reads OCSPResponse and what is in it.
func readResponse(der cryptobyte.String) (*response, error) {
	if len(der) > MaxOCSP {
		return nil, fmt.Errorf("it has more than %d octets", MaxOCSP)
	}
	var outer, wrapped, kinded, kind, basic cryptobyte.String
	if !der.ReadASN1(&outer, asn1.SEQUENCE) || !der.Empty() {
		return nil, errMalformed
	}
	status, ok := readEnumerated(&outer)
	if !ok {
		return nil, errMalformed
	}
	if status != 0 {
		return nil, fmt.Errorf("the responder says %s", statusName(status))
	}
	if !outer.ReadASN1(&wrapped, explicit0) || !outer.Empty() ||
		!wrapped.ReadASN1(&kinded, asn1.SEQUENCE) || !wrapped.Empty() ||
		!kinded.ReadASN1(&kind, asn1.OBJECT_IDENTIFIER) ||
		!kinded.ReadASN1(&basic, asn1.OCTET_STRING) || !kinded.Empty() {
		return nil, errMalformed
	}
	if string(kind) != oidBasicResponse {
		return nil, errors.New("it is of a kind that is not known")
	}
	r := &response{}
	return r, r.readBasic(basic)
}

// statusName names an OCSPResponseStatus (RFC 6960 §4.2.1).
func statusName(code int) string {
	names := map[int]string{1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
	name, ok := names[code]
	if !ok {
		return fmt.Sprintf("status %d", code)
	}
	return name
}

func (r *response) readBasic(der cryptobyte.String) error {
	var basic, tbs, certs cryptobyte.String
	var has bool
	if !der.ReadASN1(&basic, asn1.SEQUENCE) || !der.Empty() || !basic.ReadASN1Element(&tbs, asn1.SEQUENCE) {
		return errMalformed
	}
	r.signed.octets = tbs
	_, err := r.signed.readSignature(&basic)
	if err != nil {
		return err
	}
	if !basic.ReadOptionalASN1(&certs, &has, explicit0) || !basic.Empty() {
		return errMalformed
	}
	if has && (!certs.ReadASN1(&r.certs, asn1.SEQUENCE) || !certs.Empty()) {
		return errMalformed
	}
	if !tbs.ReadASN1(&tbs, asn1.SEQUENCE) {
		return errMalformed
	}
	return r.readData(tbs)
}

// readData reads the contents of ResponseData.
func (r *response) readData(tbs cryptobyte.String) error {
	var outer, extensions cryptobyte.String
	var hasVersion, has bool
	if !tbs.ReadOptionalASN1(&outer, &hasVersion, explicit0) {
		return errMalformed
	}
	if hasVersion {
		version, ok := readInteger(&outer)
		if !ok || string(version) != "\x00" || !outer.Empty() { // v1, which DER leaves out
			return errMalformed
		}
	}
	if !r.readResponder(&tbs) {
		return errMalformed
	}
	var ok bool
	r.produced, ok = readTime(&tbs)
	if !ok || !tbs.ReadASN1(&r.responses, asn1.SEQUENCE) ||
		!tbs.ReadOptionalASN1(&extensions, &has, explicit1) || !tbs.Empty() {
		return errMalformed
	}
	if !has {
		return nil
	}
	return refuseCritical(extensions)
}

// readResponder reads ResponderID.
func (r *response) readResponder(tbs *cryptobyte.String) bool {
	var id cryptobyte.String
	r.byName = tbs.PeekASN1Tag(explicit1)
	if r.byName {
		return tbs.ReadASN1(&id, explicit1) && id.ReadASN1Element(&r.responder, asn1.SEQUENCE) && id.Empty()
	}
	return tbs.ReadASN1(&id, explicit2) && id.ReadASN1(&r.responder, asn1.OCTET_STRING) && id.Empty()
}

// refuseCritical reads Extensions of which none may be critical: no critical
// one is known here.
func refuseCritical(outer cryptobyte.String) error {
	var list cryptobyte.String
	if !outer.ReadASN1(&list, asn1.SEQUENCE) || !outer.Empty() {
		return errMalformed
	}
	return eachExtension(list, func(e extension) error {
		if e.critical {
			return fmt.Errorf("it has a critical extension %x that is not known", []byte(e.id))
		}
		return nil
	})
}

// readSingle reads a SingleResponse, its extensions excepted.
func readSingle(s *cryptobyte.String) (single, error) {
	var one single
	var body, id, algorithm, status, next cryptobyte.String
	var hasNext, has bool
	if !s.ReadASN1(&body, asn1.SEQUENCE) || !body.ReadASN1(&id, asn1.SEQUENCE) ||
		!id.ReadASN1(&algorithm, asn1.SEQUENCE) || !algorithm.ReadASN1(&one.id.hash, asn1.OBJECT_IDENTIFIER) ||
		!id.ReadASN1(&one.id.issuerName, asn1.OCTET_STRING) || !id.ReadASN1(&one.id.issuerKey, asn1.OCTET_STRING) {
		return one, errMalformed
	}
	var ok bool
	one.id.serial, ok = readInteger(&id)
	if !ok || !id.Empty() || !body.ReadAnyASN1(&status, &one.status) || !one.readStatus(status) {
		return one, errMalformed
	}
	one.this, ok = readTime(&body)
	if !ok || !body.ReadOptionalASN1(&next, &hasNext, explicit0) {
		return one, errMalformed
	}
	if hasNext {
		one.next, ok = readTime(&next)
		if !ok || !next.Empty() || one.next.Before(one.this) {
			return one, errMalformed
		}
	}
	if !body.ReadOptionalASN1(&one.extensions, &has, explicit1) || !body.Empty() {
		return one, errMalformed
	}
	return one, nil
}

// readStatus reads the contents of CertStatus.
func (s *single) readStatus(contents cryptobyte.String) bool {
	switch s.status {
	case statusGood, statusUnknown:
		return contents.Empty() // NULL
	case statusRevoked:
		return s.revoked.readInfo(contents)
	}
	return false
}

// readInfo reads the contents of RevokedInfo.
func (r *revocation) readInfo(s cryptobyte.String) bool {
	var reason cryptobyte.String
	var has, ok bool
	r.reason = noReason
	r.at, ok = readTime(&s)
	if !ok || !s.ReadOptionalASN1(&reason, &has, explicit0) || !s.Empty() {
		return false
	}
	if has {
		r.reason, ok = readEnumerated(&reason)
		return ok && reason.Empty()
	}
	return true
}

// readExtensions reads singleExtensions, which may be those of a CRL entry
// (RFC 6960 §4.4.5).
func (s *single) readExtensions() error {
	if s.extensions.Empty() {
		return nil
	}
	outer := s.extensions
	var list cryptobyte.String
	if !outer.ReadASN1(&list, asn1.SEQUENCE) || !outer.Empty() {
		return errMalformed
	}
	return eachExtension(list, func(e extension) error {
		if string(e.id) == oidInvalidityDate {
			return s.revoked.readExtension(e)
		}
		if e.critical && string(e.id) != oidReasonCode {
			return fmt.Errorf("it has a critical extension %x that is not known", []byte(e.id))
		}
		return nil
	})
}
