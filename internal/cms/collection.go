package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.mozilla.org/pkcs7"
)

// A Collection is a SignedData that was read whole: one that carries
// certificates and has no signers, a certs-only PKCS #7 (RFC 5652 §5.2, TB-2),
// or one whose signers signed the content. Its certificates are the collection
// in the first case alone; in the second they are the signers' (TB-4).
type Collection struct {
	Certificates []*x509.Certificate
	Bad          []BadCertificate
	// Content is what is between the type of the content and the certificates;
	// nothing has verified it.
	Content []byte

	signed SignedData
}

// ReadCollection reads a SignedData in BER or DER, with at most most
// certificates, every one alone: a bad one does not hide the good ones. More are
// ErrLimit. One with signers must have content, and no more certificates than
// signers need.
func ReadCollection(p7 []byte, most int) (*Collection, error) {
	b := newBERReader(bytes.NewReader(p7), int64(len(p7)), Limits{Held: 1<<20 + 2*int64(len(p7))})
	defer b.release()
	c := &Collection{}
	err := c.read(b, most)
	if err != nil {
		return nil, err
	}
	c.Certificates, c.Bad = c.signed.Certificates, c.signed.bad
	switch {
	case c.Signed() && len(c.Content) == 0:
		return nil, malformed("it has signers and no content")
	case c.Signed() && len(c.Certificates)+len(c.Bad) > maxCertificates:
		return nil, fmt.Errorf("%w: more than %d certificates beside signers", ErrLimit, maxCertificates)
	}
	return c, nil
}

func (c *Collection) read(b *berReader, most int) error {
	content, err := c.signed.parseHead(b)
	if err != nil {
		return err
	}
	if !c.signed.Detached {
		c.Content, err = b.wholeContent(content)
		if err != nil {
			return fmt.Errorf("reading the content: %w", err)
		}
	}
	err = c.signed.parseTail(b, most)
	if errors.Is(err, ErrNoSignature) {
		return nil
	}
	return err
}

// wholeContent is skipContent that keeps the octets. They are no more than the
// message has.
func (b *berReader) wholeContent(content header) ([]byte, error) {
	o, err := newOctets(b, content)
	if err != nil {
		return nil, err
	}
	var all bytes.Buffer
	if content.length > 0 {
		all.Grow(int(content.length) + bytes.MinRead) // held against the end of the message before
	}
	_, err = io.Copy(&all, o)
	if err != nil {
		return nil, err
	}
	return all.Bytes(), b.leaveAll(2) // [0], EncapsulatedContentInfo
}

// Signed reports whether there are signers, good or bad.
func (c *Collection) Signed() bool { return len(c.signed.signers) > 0 }

// Verify checks every signature against Content, as SignedData.Verify does.
func (c *Collection) Verify(others ...*x509.Certificate) []SignerResult {
	digest := func(h crypto.Hash) []byte {
		if !slices.Contains(c.signed.DigestAlgorithms, h) {
			return nil
		}
		d := h.New()
		d.Write(c.Content)
		return d.Sum(nil)
	}
	return c.signed.Verify(digest, others...)
}

// EncodeCollection makes a certs-only PKCS #7 (TB-2) of certificates, in DER and
// in the order given, around a content if there is one (TB-7).
func EncodeCollection(certs []*x509.Certificate, content []byte) ([]byte, error) {
	if len(certs) == 0 {
		return nil, errors.New("cms: a collection of no certificates")
	}
	var all []byte
	for _, c := range certs {
		all = append(all, c.Raw...)
	}
	if len(content) == 0 {
		der, err := pkcs7.DegenerateCertificate(all)
		if err != nil {
			return nil, fmt.Errorf("encoding certificates: %w", err)
		}
		return der, nil
	}
	set := append(appendHeader(nil, tagContext0|tagConstructed, int64(len(all))), all...)
	return signedData(nil, content, set, nil)
}
