package cms

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"go.mozilla.org/pkcs7"
)

// A certificateSet is a CertificateSet (RFC 5652 §10.2.3), read.
type certificateSet struct {
	certs []*x509.Certificate
	bad   int
}

// optionalSets reads the optional certificates [0] and crls [1] of a
// SignedData, and returns the header that follows them. More than most
// certificates are refused, if most is not 0.
func (b *berReader) optionalSets(most int) (certificateSet, header, error) {
	var set certificateSet
	h, more, err := b.next()
	if err == nil && more && h.tag == tagContext0|tagConstructed {
		set, err = b.certificateSet(h, most)
		if err == nil {
			h, more, err = b.next()
		}
	}
	if err == nil && more && h.tag == tagContext1|tagConstructed {
		// Revocation is asked of its source, never taken from the sender.
		err = b.skip(h)
		if err == nil {
			h, more, err = b.next()
		}
	}
	if err == nil && !more {
		err = malformed("the set of signers is missing")
	}
	return set, h, err
}

func (b *berReader) certificateSet(h header, most int) (certificateSet, error) {
	var set certificateSet
	err := b.enter(h)
	if err != nil {
		return set, err
	}
	for {
		h, more, err := b.next()
		if err != nil {
			return set, err
		}
		if !more {
			return set, b.leave()
		}
		if h.tag != tagSequence {
			err = b.skip(h) // attribute certificates and other formats
			if err != nil {
				return set, err
			}
			continue
		}
		if most > 0 && len(set.certs)+set.bad == most {
			return set, fmt.Errorf("%w: more than %d certificates", ErrLimit, most)
		}
		der, err := b.certificate(h)
		if err != nil {
			return set, fmt.Errorf("reading a certificate: %w", err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			set.bad++ // one bad certificate must not hide the good ones
			continue
		}
		set.certs = append(set.certs, c)
	}
}

// certificate reads the octets of a certificate, and none of one that is too
// large: whoever looks at a certificate pays by its length.
func (b *berReader) certificate(h header) ([]byte, error) {
	if h.length > maxCertificate {
		return nil, b.skip(h)
	}
	der, err := b.verbatim(h)
	if len(der) > maxCertificate {
		return nil, err
	}
	return der, err
}

// ParseCertificates reads a certs-only PKCS #7 in BER or DER (TB-2, AS-69):
// every certificate alone, so that a bad one is only counted. A SignedData with
// signers or content is refused by ErrNotCertsOnly: its certificates are the
// chain of whoever signed, not a collection (TB-4).
func ParseCertificates(p7 []byte) (certs []*x509.Certificate, bad int, err error) {
	b := newBERReader(bytes.NewReader(p7), int64(len(p7)), Limits{Held: 1<<20 + 2*int64(len(p7))})
	defer b.release()
	var s SignedData
	content, err := s.parseHead(b)
	if err != nil {
		return nil, 0, err
	}
	if !s.Detached {
		err = b.emptyContent(content)
		if err != nil {
			return nil, 0, err
		}
	}
	err = s.parseTail(b, 0)
	switch {
	case errors.Is(err, ErrNoSignature):
		return s.Certificates, s.BadCertificates, nil
	case err == nil:
		return nil, 0, fmt.Errorf("%w: it has signers", ErrNotCertsOnly)
	}
	return nil, 0, err
}

// emptyContent is skipContent for a content that must have no octets.
func (b *berReader) emptyContent(content header) error {
	o, err := newOctets(b, content)
	if err != nil {
		return err
	}
	n, err := o.Read(make([]byte, 1))
	switch {
	case n > 0:
		return fmt.Errorf("%w: it has content", ErrNotCertsOnly)
	case !errors.Is(err, io.EOF):
		return err
	}
	return b.leaveAll(2) // [0], EncapsulatedContentInfo
}

// EncodeCertificates makes a certs-only PKCS #7 (TB-2) of certificates, in DER
// and in the order given.
func EncodeCertificates(certs []*x509.Certificate) ([]byte, error) {
	if len(certs) == 0 {
		return nil, errors.New("cms: a collection of no certificates")
	}
	var all []byte
	for _, c := range certs {
		all = append(all, c.Raw...)
	}
	der, err := pkcs7.DegenerateCertificate(all)
	if err != nil {
		return nil, fmt.Errorf("encoding certificates: %w", err)
	}
	return der, nil
}
