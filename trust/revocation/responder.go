package revocation

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/trust"
	"postern/trust/reason"
)

// maxResponders is the number of certificates of a response that are looked at.
const maxResponders = 8

// checkSigner checks that the issuer made the response, or a responder that it
// appointed (RFC 6960 §4.2.2.2).
func (r *response) checkSigner(issuer *x509.Certificate, at time.Time) error {
	problem := errors.New("its signer is neither the issuer nor anyone whose certificate is with it")
	if r.isFrom(issuer) {
		problem = r.signed.check(issuer)
	}
	rest := r.certs
	for range maxResponders {
		if problem == nil || rest.Empty() {
			break
		}
		var raw cryptobyte.String
		if !rest.ReadASN1Element(&raw, asn1.SEQUENCE) {
			return fmt.Errorf("its certificates: %w", errMalformed)
		}
		cert, err := x509.ParseCertificate(raw)
		if err == nil && r.isFrom(cert) {
			problem = r.checkResponder(cert, issuer, at)
		}
	}
	return problem
}

// isFrom reports whether the response names the certificate as its signer's.
func (r *response) isFrom(cert *x509.Certificate) bool {
	if r.byName {
		return trust.SameName(r.responder, cert.RawSubject)
	}
	key, ok := keyBits(cert)
	digest := sha1.Sum(key) // RFC 6960 §4.2.1, KeyHash
	return ok && bytes.Equal(r.responder, digest[:])
}

// checkResponder checks that a responder was appointed, and signed. Its
// certificate must be in date when it signed, and still at the moment asked
// about: what has ended may be in anybody's hands.
func (r *response) checkResponder(cert, issuer *x509.Certificate, at time.Time) error {
	err := appointed(cert, issuer)
	if err != nil {
		return err
	}
	if r.produced.After(at) {
		at = r.produced
	}
	if at.After(cert.NotAfter) || at.Add(trust.ClockSkew).Before(cert.NotBefore) {
		return fmt.Errorf("its responder's certificate is out of date on %s", reason.Date(at))
	}
	err = r.signed.check(cert)
	if err != nil {
		return fmt.Errorf("its responder's signature: %w", err)
	}
	return nil
}

// appointed checks that the issuer gave a certificate for signing OCSP
// responses (RFC 6960 §4.2.2.2): itself, and by the key usage that says so in
// as many words. An authority below the issuer is no responder, whatever else
// its certificate says.
func appointed(cert, issuer *x509.Certificate) error {
	switch {
	case !trust.SameName(cert.RawIssuer, issuer.RawSubject):
		return errors.New("its responder's certificate is of another issuer")
	case cert.IsCA:
		return errors.New("its responder's certificate is an authority's")
	case !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("its responder's certificate is not for signing OCSP responses")
	case hasExtension(cert, oidKeyUsage) && cert.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return errors.New("its responder's certificate is not for signing (keyUsage)")
	case len(cert.UnhandledCriticalExtensions) > 0:
		return errors.New("its responder's certificate has a critical extension that is not known")
	}
	err := strong(issuer)
	if err != nil {
		return err
	}
	err = cert.CheckSignatureFrom(issuer) // refuses SHA-1 and MD5
	if err != nil {
		return fmt.Errorf("its responder's certificate: %w", err)
	}
	return nil
}
