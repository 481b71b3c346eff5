package revocation

import (
	"crypto/x509"
	encoding "encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

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

func hasExtension(cert *x509.Certificate, id string) bool {
	_, ok := extensionOf(cert, id)
	return ok
}

// extensionOf returns the value of an extension.
func extensionOf(cert *x509.Certificate, id string) (cryptobyte.String, bool) {
	for i := range cert.Extensions {
		if contentsOf(cert.Extensions[i].Id) == id {
			return cert.Extensions[i].Value, true
		}
	}
	return nil, false
}

// contentsOf returns an identifier as the contents of its DER, or "".
func contentsOf(id encoding.ObjectIdentifier) string {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(id)
	der, err := b.Bytes()
	s, contents := cryptobyte.String(der), cryptobyte.String(nil)
	if err != nil || !s.ReadASN1(&contents, asn1.OBJECT_IDENTIFIER) {
		return ""
	}
	return string(contents)
}
