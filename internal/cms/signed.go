package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// SignedData is a SignedData (RFC 5652 §5.1) without its content. Nothing in it
// is verified until Verify says so.
type SignedData struct {
	// Certificates are those of the message that could be parsed, each alone.
	Certificates []*x509.Certificate
	// BadCertificates counts those that could not, or that have more than 64 KiB.
	BadCertificates int
	// ContentType is the eContentType, id-data in S/MIME.
	ContentType asn1.ObjectIdentifier
	// DigestAlgorithms are those of the message that a signature may use.
	DigestAlgorithms []crypto.Hash
	// Detached is true if the message has no content of its own.
	Detached bool

	bad     []BadCertificate
	signers []signerInfo
	sha1    bool
}

// HoldsData reports whether the eContentType is id-data, that of MIME entities
// (RFC 8551 §2.4.1).
func (s *SignedData) HoldsData() bool { return s.ContentType.Equal(oidData) }

// SignedOptions say what a reader of a SignedData takes. The zero value is right
// for all but old senders.
type SignedOptions struct {
	Limits Limits
	// SHA1 takes signatures that rest on SHA-1 (AS-31: profile 1.2).
	SHA1 bool
}

// ParseSigned reads a SignedData, BER or DER, from memory. Its content is
// expected elsewhere; a content inside is passed over, and says nothing. A
// SignedData without a signer is ErrNoSignature.
func ParseSigned(der []byte, o SignedOptions) (*SignedData, error) {
	b := newBERReader(bytes.NewReader(der), int64(len(der)), o.Limits)
	defer b.release()
	s := &SignedData{sha1: o.SHA1}
	content, err := s.parseHead(b)
	if err != nil {
		return nil, err
	}
	if !s.Detached {
		err = b.skipContent(content)
		if err != nil {
			return nil, err
		}
	}
	err = s.parseTail(b, maxCertificates)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// parseHead reads up to the content, and enters its [0] if there is one.
func (s *SignedData) parseHead(b *berReader) (content header, err error) {
	_, err = b.contentInfo(oidSignedData)
	if err != nil {
		return header{}, err
	}
	err = b.version()
	if err != nil {
		return header{}, err
	}
	err = s.parseDigestAlgorithms(b)
	if err != nil {
		return header{}, err
	}
	err = b.wantInside(tagSequence, "the encapsulated content")
	if err != nil {
		return header{}, err
	}
	s.ContentType, err = b.oid("the type of the content")
	if err != nil {
		return header{}, err
	}
	if s.ContentType.Equal(oidCompressedData) {
		return header{}, ErrCompressed // AS-59
	}
	explicit, more, err := b.next()
	if err != nil {
		return header{}, err
	}
	if !more {
		s.Detached = true
		return header{}, b.leave()
	}
	if explicit.tag != tagContext0|tagConstructed {
		return header{}, malformed("something odd follows the content type")
	}
	err = b.enter(explicit)
	if err != nil {
		return header{}, err
	}
	content, more, err = b.next()
	if err != nil {
		return header{}, err
	}
	if !more || !content.is(tagOctetString) {
		return header{}, malformed("the content is not an octet string")
	}
	return content, nil
}

func (s *SignedData) parseDigestAlgorithms(b *berReader) error {
	err := b.wantInside(tagSet, "the set of digest algorithms")
	if err != nil {
		return err
	}
	for {
		h, more, err := b.next()
		if err != nil {
			return err
		}
		if !more {
			return b.leave()
		}
		der, err := b.element(nil, h)
		if err != nil {
			return fmt.Errorf("reading the digest algorithms: %w", err)
		}
		a, ok := onlyAlgorithm(der)
		if !ok {
			return malformed("a digest algorithm is none")
		}
		hash, err := signatureDigest(a, s.sha1)
		if err != nil {
			continue // a signer that uses it is refused, others need not be
		}
		if !slices.Contains(s.DigestAlgorithms, hash) {
			s.DigestAlgorithms = append(s.DigestAlgorithms, hash)
		}
	}
}

// skipContent passes over the content and leaves what is around it.
func (b *berReader) skipContent(content header) error {
	err := b.skip(content)
	if err != nil {
		return fmt.Errorf("reading the content: %w", err)
	}
	return b.leaveAll(2) // [0], EncapsulatedContentInfo
}

// parseTail reads what follows the content, to the very end. It takes most
// certificates, or any number if most is 0.
func (s *SignedData) parseTail(b *berReader, most int) error {
	set, signers, err := b.optionalSets(most)
	if err != nil {
		return err
	}
	s.Certificates, s.BadCertificates, s.bad = set.certs, len(set.bad), set.bad
	if signers.tag != tagSet {
		return malformed("the set of signers is missing")
	}
	err = s.parseSigners(b, signers)
	if err != nil {
		return err
	}
	err = b.leaveAll(3) // SignedData, [0], ContentInfo
	if err != nil {
		return err
	}
	err = b.finish()
	if err != nil {
		return err
	}
	if len(s.signers) == 0 {
		return ErrNoSignature
	}
	return nil
}

func (s *SignedData) parseSigners(b *berReader, set header) error {
	err := b.enter(set)
	if err != nil {
		return err
	}
	for {
		h, more, err := b.next()
		if err != nil {
			return err
		}
		if !more {
			return b.leave()
		}
		if len(s.signers) == maxSigners {
			return fmt.Errorf("%w: more than %d signers", ErrLimit, maxSigners)
		}
		der, err := b.element(nil, h)
		if err != nil {
			return fmt.Errorf("reading a signer: %w", err)
		}
		s.signers = append(s.signers, parseSignerInfo(cryptobyte.String(der)))
	}
}
