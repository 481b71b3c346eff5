package revocation

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"

	"postern/trust"
)

// belongs checks that a certificate bears the name of its issuer.
func belongs(cert, issuer *x509.Certificate) error {
	if cert == nil || issuer == nil {
		return errors.New("a certificate or its issuer is missing")
	}
	if !trust.SameName(cert.RawIssuer, issuer.RawSubject) {
		return errors.New("the certificate is of another issuer")
	}
	if cert.SerialNumber == nil || cert.SerialNumber.Sign() < 0 {
		return errors.New("the certificate has no serial number that can be looked up")
	}
	return nil
}

// serialOf returns the serial number of a certificate as the contents of its
// DER. It is not negative.
func serialOf(cert *x509.Certificate) []byte {
	b := cert.SerialNumber.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

// Extensions of certificates, which crypto/x509 has decoded already.
var (
	oidKeyUsage           = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}
)

func hasExtension(cert *x509.Certificate, id asn1.ObjectIdentifier) bool {
	_, ok := extensionOf(cert, id)
	return ok
}

// extensionOf returns the value of an extension.
func extensionOf(cert *x509.Certificate, id asn1.ObjectIdentifier) (cryptobyte.String, bool) {
	for i := range cert.Extensions {
		if cert.Extensions[i].Id.Equal(id) {
			return cert.Extensions[i].Value, true
		}
	}
	return nil, false
}
