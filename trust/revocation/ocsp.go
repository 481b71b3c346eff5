package revocation

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"postern/trust"
)

// MaxOCSP is the size in octets up to which an OCSP response is read.
const MaxOCSP = 64 << 10

// NewOCSPRequest returns the DER of a request about one certificate, to be sent
// to one of the issuer's responders (RFC 6960 §4.1; AS-74). It names the issuer
// by SHA-1, which all responders know, and has no nonce, so that responders may
// answer from what they have made before (RFC 5019 §2.1).
func NewOCSPRequest(cert, issuer *x509.Certificate) ([]byte, error) {
	err := belongs(cert, issuer)
	if err != nil {
		return nil, fmt.Errorf("making an OCSP request: %w", err)
	}
	// RFC 6960 §4.1.1: the name is digested as it stands in the certificate,
	// which may not be how the issuer itself writes it.
	named := *issuer
	named.RawSubject = cert.RawIssuer
	der, err := ocsp.CreateRequest(cert, &named, nil)
	if err != nil {
		return nil, fmt.Errorf("making an OCSP request: %w", err)
	}
	return der, nil
}

// CheckOCSP answers for a certificate of the issuer at a moment by an OCSP
// response in DER (RFC 6960 §3.2; AS-74).
//
// The response must be signed by the issuer, or by a responder to whom the
// issuer itself gave a certificate for just this: with id-kp-OCSPSigning, no
// authority, in date, with a key that is not weak. Whether that certificate is
// revoked is not asked. Extended "revoked" (RFC 6960 §4.4.8), by which a
// responder disowns a certificate that the issuer never made, is a revocation.
func CheckOCSP(response []byte, cert, issuer *x509.Certificate, at time.Time) (Answer, error) {
	a, err := checkOCSP(response, cert, issuer, at)
	if err != nil {
		return Answer{}, fmt.Errorf("the OCSP response does not count: %w", err)
	}
	return a, nil
}

func checkOCSP(der []byte, cert, issuer *x509.Certificate, at time.Time) (Answer, error) {
	err := belongs(cert, issuer)
	if err != nil {
		return Answer{}, err
	}
	r, err := readResponse(der)
	if err != nil {
		return Answer{}, err
	}
	ours, err := r.about(cert, issuer)
	if err != nil {
		return Answer{}, err
	}
	err = r.checkSigner(issuer, at)
	if err != nil {
		return Answer{}, err
	}
	return combine(ours, cert, at)
}

// combine makes one answer of all that a response says about one certificate,
// which is once as a rule, or once for each way to name the issuer. A
// revocation goes before everything, and a defect before "good".
func combine(ours []single, cert *x509.Certificate, at time.Time) (Answer, error) {
	var good Answer
	var problem error
	for _, s := range ours {
		a, err := s.answer(cert, at)
		switch {
		case err == nil && a.Status == trust.IsRevoked:
			return a, nil
		case err == nil && problem == nil:
			good = a
		case err != nil:
			problem = err
		}
	}
	if problem != nil {
		return Answer{}, problem
	}
	return good, nil
}

// The choices of CertStatus (RFC 6960 §4.2.1).
const (
	statusGood    = implicit0
	statusRevoked = explicit1
	statusUnknown = implicit2
)

func (s single) answer(cert *x509.Certificate, at time.Time) (Answer, error) {
	p := period{this: s.this, next: s.next, life: ocspLife}
	switch s.status {
	case statusGood:
		return p.answer(at, cert.NotAfter, nil)
	case statusRevoked:
		if s.revoked.reason == removeFromCRL {
			return Answer{}, errors.New("its reason is removeFromCRL, which is for delta CRLs alone")
		}
		return p.answer(at, cert.NotAfter, []revocation{s.revoked})
	case statusUnknown:
		return Answer{}, errors.New("the responder does not know the certificate")
	}
	return Answer{}, errMalformed
}

// about returns what a response says of a certificate.
func (r *response) about(cert, issuer *x509.Certificate) ([]single, error) {
	key, ok := keyBits(issuer)
	if !ok {
		return nil, fmt.Errorf("the issuer's key: %w", errMalformed)
	}
	serial := serialOf(cert)
	var ours []single
	rest := r.responses
	for !rest.Empty() {
		s, err := readSingle(&rest)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(s.id.serial, serial) || !(s.id.names(cert.RawIssuer, key) || s.id.names(issuer.RawSubject, key)) {
			continue
		}
		if len(ours) == maxDuplicates {
			return nil, fmt.Errorf("it speaks more than %d times of the certificate", maxDuplicates)
		}
		err = s.readExtensions()
		if err != nil {
			return nil, err
		}
		ours = append(ours, s)
	}
	if len(ours) == 0 {
		return nil, errors.New("it says nothing of the certificate")
	}
	return ours, nil
}

// names reports whether the identifier is of a certificate of an issuer.
func (id certID) names(subject, key []byte) bool {
	switch string(id.hash) {
	case oidSHA1:
		name, k := sha1.Sum(subject), sha1.Sum(key)
		return bytes.Equal(id.issuerName, name[:]) && bytes.Equal(id.issuerKey, k[:])
	case oidSHA256:
		name, k := sha256.Sum256(subject), sha256.Sum256(key)
		return bytes.Equal(id.issuerName, name[:]) && bytes.Equal(id.issuerKey, k[:])
	}
	return false
}

// keyBits returns the subjectPublicKey of a certificate without tag, length and
// count of unused bits, which is what OCSP digests (RFC 6960 §4.1.1).
func keyBits(cert *x509.Certificate) ([]byte, bool) {
	s := cryptobyte.String(cert.RawSubjectPublicKeyInfo)
	var info cryptobyte.String
	var bits []byte
	return bits, s.ReadASN1(&info, asn1.SEQUENCE) && info.SkipASN1(asn1.SEQUENCE) && info.ReadASN1BitStringAsBytes(&bits)
}
