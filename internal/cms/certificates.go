package cms

import (
	"crypto/x509"
	"fmt"
)

// A certificateSet is a CertificateSet (RFC 5652 §10.2.3), read.
type certificateSet struct {
	certs []*x509.Certificate
	bad   []BadCertificate
}

// A BadCertificate is one that could not be read.
type BadCertificate struct {
	Index int // its place among the certificates, from 1
	Err   error
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
		read := len(set.certs) + len(set.bad)
		if most > 0 && read == most {
			return set, fmt.Errorf("%w: more than %d certificates", ErrLimit, most)
		}
		der, err := b.certificate(h)
		if err != nil {
			return set, fmt.Errorf("reading a certificate: %w", err)
		}
		c, err := parseCertificate(der)
		if err != nil { // one bad certificate must not hide the good ones
			set.bad = append(set.bad, BadCertificate{Index: read + 1, Err: err})
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

func parseCertificate(der []byte) (*x509.Certificate, error) {
	if der == nil {
		return nil, fmt.Errorf("%w: a certificate of more than %d octets", ErrLimit, maxCertificate)
	}
	return x509.ParseCertificate(der)
}
