package bundle

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"postern/internal/cms"
)

// Write returns certificates as a certs-only PKCS #7 in DER (TB-2), in the order
// given, as .p7b and .p7c files are. No certificates are an error.
func Write(certs []*x509.Certificate) ([]byte, error) { return cms.EncodeCollection(certs, nil) }

// WriteUnsigned returns an unsigned bundle: what Write returns, with metadata as
// its content unless that is empty (TB-7). What Parse would not read back is an
// error.
func WriteUnsigned(anchors []*x509.Certificate, metadata []byte) ([]byte, error) {
	if len(anchors) == 0 {
		return nil, ErrEmpty
	}
	der, err := cms.EncodeCollection(anchors, metadata)
	if err != nil {
		return nil, fmt.Errorf("writing the bundle: %w", err)
	}
	_, err = Parse(der, Options{})
	if err != nil {
		return nil, fmt.Errorf("reading back the bundle: %w", err)
	}
	return der, nil
}

// WriteSigned returns a signed bundle (TB-3): what WriteUnsigned returns, signed
// by signer at a time that the signature tells. What Parse would not take at that
// time with the signer's certificate pinned is an error.
func WriteSigned(anchors []*x509.Certificate, metadata []byte, signer cms.Signer, at time.Time) ([]byte, error) {
	if signer.Certificate == nil {
		return nil, errors.New("signing the bundle: there is no certificate to sign by")
	}
	content, err := WriteUnsigned(anchors, metadata)
	if err != nil {
		return nil, err
	}
	der, err := cms.SignOpaque(content, []cms.Signer{signer}, at)
	if err != nil {
		return nil, fmt.Errorf("signing the bundle: %w", err)
	}
	_, err = Parse(der, Options{Signer: signer.Certificate, Now: at})
	if err != nil {
		return nil, fmt.Errorf("reading back the bundle: %w", err)
	}
	return der, nil
}
