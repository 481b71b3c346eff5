package bundle

import (
	"crypto/x509"

	"postern/internal/cms"
)

// Write returns certificates as a certs-only PKCS #7 in DER (TB-2), in the order
// given, as .p7b and .p7c files are. No certificates are an error.
func Write(certs []*x509.Certificate) ([]byte, error) { return cms.EncodeCertificates(certs) }
