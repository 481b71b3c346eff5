// Package bundle reads trust anchors from files in the forms in which trust
// communities hand them out: PEM, DER, and certs-only PKCS #7.
package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"postern/internal/cms"
)

// Bounds on what Read takes (TB-17).
const (
	MaxSize         = 8 << 20 // octets of a file
	MaxCertificates = 5000
)

// Why Read refuses a whole file.
var (
	ErrTooLarge = errors.New("the file is too large for a collection of trust anchors")
	// ErrSigned is for a signed bundle. The certificates outside of its content
	// are its signer's, and must never pass for anchors (TB-4).
	ErrSigned = errors.New("signed trust bundles, and those with content, are not supported")
	ErrNone   = errors.New("the file holds no certificate")
)

// Read returns the certificates of a file: PEM blocks of the types CERTIFICATE
// and PKCS7, a certificate in DER, or a certs-only PKCS #7 in DER, in BER or in
// bare base64 (TB-2, TB-6). A certificate that cannot be read is reported in bad
// and does not hide the others. Duplicates count once. The error is for a file
// that is refused as a whole, or that holds no certificate that can be read.
func Read(data []byte) (certs []*x509.Certificate, bad []error, err error) {
	if len(data) > MaxSize {
		return nil, nil, fmt.Errorf("%w: it has more than %d octets", ErrTooLarge, MaxSize)
	}
	c := collection{seen: map[string]bool{}}
	err = c.read(data)
	if err != nil {
		return nil, nil, err
	}
	if len(c.certs) == 0 {
		return nil, c.bad, errors.Join(append([]error{ErrNone}, c.bad[:min(len(c.bad), 3)]...)...)
	}
	return c.certs, c.bad, nil
}

// A collection is what was read so far.
type collection struct {
	certs []*x509.Certificate
	bad   []error
	seen  map[string]bool // by DER
}

// read finds out which form data has.
func (c *collection) read(data []byte) error {
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		return c.readPEM(data)
	}
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) > 0 && trimmed[0] == derSequence {
		return c.readDER(data)
	}
	der, err := decodeBase64(trimmed)
	if err != nil || len(der) == 0 || der[0] != derSequence {
		return fmt.Errorf("%w: it is neither PEM nor DER nor base64", ErrNone)
	}
	return c.readDER(der)
}

// derSequence begins every certificate and every PKCS #7. Their base64 begins
// with "M", so that the two forms cannot be taken for each other.
const derSequence = 0x30

// readPEM reads all blocks. Private keys and the like, which often share a file
// with certificates, are passed over.
func (c *collection) readPEM(data []byte) error {
	for n := 1; ; n++ {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil
		}
		data = rest
		var err error
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			err = c.certificate(block.Bytes, fmt.Sprintf("PEM block %d", n))
		case "PKCS7", "CMS":
			err = c.pkcs7(block.Bytes)
		}
		if err != nil {
			return err
		}
	}
}

// readDER reads a certificate or a PKCS #7, which begins with an OBJECT
// IDENTIFIER where a certificate has a SEQUENCE.
func (c *collection) readDER(der []byte) error {
	cert, err := x509.ParseCertificate(der)
	if err == nil {
		return c.add(cert)
	}
	p7Err := c.pkcs7(der)
	if errors.Is(p7Err, cms.ErrMalformed) {
		return fmt.Errorf("%w: as a certificate: %v; as a PKCS #7: %v", ErrNone, err, p7Err)
	}
	return p7Err
}

func (c *collection) pkcs7(der []byte) error {
	certs, bad, err := cms.ParseCertificates(der)
	if errors.Is(err, cms.ErrNotCertsOnly) {
		return fmt.Errorf("%w: %w", ErrSigned, err)
	}
	if err != nil {
		return fmt.Errorf("reading the PKCS #7: %w", err)
	}
	for range min(bad, MaxCertificates+1) {
		c.bad = append(c.bad, errors.New("a certificate of the PKCS #7 cannot be read"))
	}
	for _, cert := range certs {
		err = c.add(cert)
		if err != nil {
			return err
		}
	}
	return c.bound()
}

func (c *collection) certificate(der []byte, where string) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		c.bad = append(c.bad, fmt.Errorf("%s: %w", where, err))
		return c.bound()
	}
	return c.add(cert)
}

func (c *collection) add(cert *x509.Certificate) error {
	if c.seen[string(cert.Raw)] {
		return nil
	}
	c.seen[string(cert.Raw)] = true
	c.certs = append(c.certs, cert)
	return c.bound()
}

func (c *collection) bound() error {
	if len(c.certs)+len(c.bad) > MaxCertificates {
		return fmt.Errorf("%w: it has more than %d certificates", ErrTooLarge, MaxCertificates)
	}
	return nil
}

// decodeBase64 reads base64 in lines of any length, as files hold it without
// PEM's first and last line.
func decodeBase64(text []byte) ([]byte, error) {
	joined := bytes.Join(bytes.Fields(text), nil)
	der := make([]byte, base64.StdEncoding.DecodedLen(len(joined)))
	n, err := base64.StdEncoding.Decode(der, joined)
	return der[:n], err
}
