package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/internal/cms"
)

// A reader puts a bundle together.
type reader struct {
	o      Options
	plain  bool // for Read: no signature, no metadata
	inside bool // what is read is the content of a signed bundle

	b        Bundle
	metadata []byte
	parts    int             // certificates and PKCS #7 in the file
	count    int             // certificates, good and bad
	seen     map[string]bool // by DER
}

// byteOrderMark is that of UTF-8, which editors put before text.
const byteOrderMark = "\xef\xbb\xbf"

// derSequence begins every certificate and every PKCS #7. Their base64 begins
// with "M", so that the two forms cannot be taken for each other.
const derSequence = 0x30

// read finds out which form data has.
func (r *reader) read(data []byte) error {
	data = bytes.TrimLeft(data, whiteSpace)
	data = bytes.TrimLeft(bytes.TrimPrefix(data, []byte(byteOrderMark)), whiteSpace)
	before, _, found := bytes.Cut(data, []byte(pemBegin))
	switch {
	case len(data) == 0:
		return ErrEmpty
	case found && isText(before) && r.inside && !isOnePEM(data):
		return fmt.Errorf("%w: the signed content is more than one PEM block", ErrFormat)
	case found && isText(before):
		return r.readPEM(data)
	case data[0] == derSequence:
		return r.readDER(withoutTail(data))
	}
	der, err := decodeBase64(data)
	if err != nil || len(der) == 0 || der[0] != derSequence {
		return fmt.Errorf("%w: it is neither PEM nor DER nor base64", ErrFormat)
	}
	return r.readDER(der)
}

const (
	whiteSpace = " \t\r\n"
	pemBegin   = "-----BEGIN "
)

// isOnePEM reports whether data is a block and no more. A community signs its
// mail as well, and in that somebody may be quoted who attached a bundle.
func isOnePEM(data []byte) bool {
	_, after := pem.Decode(data)
	return bytes.HasPrefix(data, []byte(pemBegin)) && bytes.Count(data, []byte(pemBegin)) == 1 && len(bytes.Trim(after, whiteSpace)) == 0
}

// isText reports whether there is no control character: PEM may stand in the
// midst of text (RFC 7468 §2), and inside of DER.
func isText(b []byte) bool {
	return bytes.IndexFunc(b, func(c rune) bool { return c < ' ' && !strings.ContainsRune(whiteSpace, c) }) < 0
}

// withoutTail takes away white space after an element, where it cannot be a part
// of it.
func withoutTail(ber []byte) []byte {
	if len(ber) > 1 && ber[1] == 0x80 {
		return bytes.TrimRight(ber, whiteSpace) // an indefinite length ends in zeros
	}
	s := cryptobyte.String(ber)
	var element cryptobyte.String
	var tag asn1.Tag
	if s.ReadAnyASN1Element(&element, &tag) && len(bytes.Trim(s, whiteSpace)) == 0 {
		return element
	}
	return ber
}

// readPEM reads all blocks. Private keys and the like, which often share a file
// with certificates, are passed over.
func (r *reader) readPEM(data []byte) error {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return nil
		}
		data = rest
		var err error
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			err = r.certificate(block.Bytes)
		case "PKCS7", "CMS":
			err = r.pkcs7(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return err
		}
		r.parts++
		// No signature and no metadata says anything of what is beside it.
		if r.parts > 1 && (r.b.Signed || r.metadata != nil) {
			return errBeside
		}
	}
}

var errBeside = fmt.Errorf("%w: there is something beside a bundle that is signed or has metadata", ErrFormat)

// readDER reads a certificate or a PKCS #7, which begins with an OBJECT
// IDENTIFIER where a certificate has a SEQUENCE.
func (r *reader) readDER(der []byte) error {
	cert, err := x509.ParseCertificate(der)
	switch {
	case err == nil && r.inside:
		return errInside
	case err == nil:
		return r.add(cert)
	}
	p7Err := r.pkcs7(der)
	if errors.Is(p7Err, cms.ErrMalformed) {
		return fmt.Errorf("%w (as a certificate: %w)", p7Err, err)
	}
	return p7Err
}

var errInside = fmt.Errorf("%w: a certificate where an unsigned bundle belongs", ErrFormat)

// pkcs7 asks for signers first: what the certificates are depends on them (TB-4).
func (r *reader) pkcs7(der []byte) error {
	c, err := cms.ReadCollection(der, MaxCertificates)
	switch {
	case errors.Is(err, cms.ErrLimit):
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case err != nil:
		return fmt.Errorf("%w: reading the PKCS #7: %w", ErrFormat, err)
	case r.plain && (c.Signed() || hasMetadata(c.Content)):
		return ErrSigned
	case c.Signed():
		return r.signed(c)
	}
	return r.collection(c)
}

// signed verifies a signed bundle and reads the unsigned one inside (TB-3). The
// certificates of c are the signers' and are not looked at again (TB-4).
func (r *reader) signed(c *cms.Collection) error {
	if r.inside {
		return fmt.Errorf("%w: the content of the signed bundle is signed again", ErrFormat)
	}
	by, err := r.o.verify(c)
	if err != nil {
		return err
	}
	content := reader{o: r.o, inside: true, seen: map[string]bool{}}
	err = content.read(c.Content)
	if err != nil {
		return fmt.Errorf("reading the signed content: %w", err)
	}
	if len(r.b.Anchors) > 0 {
		return errBeside
	}
	r.b, r.metadata = content.b, content.metadata
	r.b.Signed, r.b.Signer, r.b.Algorithm, r.b.SigningTime = true, by.Certificate, by.Algorithm, by.SigningTime
	return nil
}

// collection takes the certificates of an unsigned PKCS #7.
func (r *reader) collection(c *cms.Collection) error {
	if hasMetadata(c.Content) {
		r.metadata = c.Content
	}
	before := r.count
	for _, bad := range c.Bad {
		r.b.Bad = append(r.b.Bad, Bad{Index: before + bad.Index, Err: bad.Err})
	}
	r.count += len(c.Bad)
	for _, cert := range c.Certificates {
		err := r.add(cert)
		if err != nil {
			return err
		}
	}
	return r.bound()
}

func (r *reader) certificate(der []byte) error {
	if r.inside {
		return errInside
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		r.count++
		r.b.Bad = append(r.b.Bad, Bad{Index: r.count, Err: err})
		return r.bound()
	}
	return r.add(cert)
}

func (r *reader) add(cert *x509.Certificate) error {
	r.count++
	if !r.seen[string(cert.Raw)] {
		r.seen[string(cert.Raw)] = true
		r.b.Anchors = append(r.b.Anchors, Anchor{Certificate: cert})
	}
	return r.bound()
}

func (r *reader) bound() error {
	if r.count > MaxCertificates {
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
