package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A Signer signs: a certificate, what goes along with it, and the way to its
// private key.
type Signer struct {
	Certificate *x509.Certificate
	Chain       []*x509.Certificate // intermediates that go into the message
	Key         crypto.Signer       // RSA, or ECDSA on P-256 or P-384
	Hash        crypto.Hash         // SHA-256, SHA-384 or SHA-512; 0 is SHA-256 (AS-30)
}

// SignDetached makes a detached SignedData, in DER, over content whose digest by
// hash h is digest(h) (AS-49). Each signer makes one signature, over attributes
// that tell the content's type and digest, the signing time, and the content
// ciphers that this package reads.
func SignDetached(digest func(crypto.Hash) []byte, signers []Signer, signingTime time.Time) ([]byte, error) {
	return sign(digest, nil, signers, signingTime)
}

// SignOpaque makes a SignedData, in DER, around a content that is not empty
// (RFC 5652 §5.2), signed as SignDetached does.
func SignOpaque(content []byte, signers []Signer, signingTime time.Time) ([]byte, error) {
	if len(content) == 0 {
		return nil, errors.New("cms: nothing to sign")
	}
	digest := func(h crypto.Hash) []byte {
		d := h.New()
		d.Write(content)
		return d.Sum(nil)
	}
	return sign(digest, content, signers, signingTime)
}

// sign puts content inside if there is one.
func sign(digest func(crypto.Hash) []byte, content []byte, signers []Signer, signingTime time.Time) ([]byte, error) {
	if len(signers) == 0 || len(signers) > maxSigners {
		return nil, fmt.Errorf("cms: signing by %d signers", len(signers))
	}
	var infos, certs, algorithms [][]byte
	for _, s := range signers {
		info, err := s.sign(digest, signingTime)
		if err != nil {
			return nil, fmt.Errorf("signing: %w", err)
		}
		infos = append(infos, info)
		algorithm, err := s.digestAlgorithm()
		if err != nil {
			return nil, err
		}
		algorithms = appendNew(algorithms, algorithm)
		certs = appendNew(certs, s.Certificate.Raw)
		for _, c := range s.Chain {
			certs = appendNew(certs, c.Raw)
		}
	}
	if len(certs) > maxCertificates {
		return nil, fmt.Errorf("%w: %d certificates to send", ErrLimit, len(certs))
	}
	return signedData(algorithms, content, setOf(tagContext0|tagConstructed, certs), infos)
}

// appendNew appends an element to a set that does not have it yet.
func appendNew(set [][]byte, element []byte) [][]byte {
	for _, e := range set {
		if bytes.Equal(e, element) {
			return set
		}
	}
	return append(set, element)
}

// signedData puts a SignedData together (RFC 5652 §5.1), with its content inside
// unless that is empty. certs is the whole certificates element.
func signedData(algorithms [][]byte, content, certs []byte, infos [][]byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidSignedData)
		b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1) // id-data, X.509 certificates, issuerAndSerialNumber
				b.AddBytes(setOf(tagSet, algorithms))
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidData)
					if len(content) > 0 {
						b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(content) })
					}
				})
				b.AddBytes(certs)
				b.AddBytes(setOf(tagSet, infos))
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding the signed data: %w", err)
	}
	return der, nil
}

// Algorithm names for people how the signer signs, in the words of
// SignerResult.Algorithm.
func (s Signer) Algorithm() string {
	if s.Certificate == nil {
		return ""
	}
	return signatureScheme{kind: s.Certificate.PublicKeyAlgorithm}.describe(s.Certificate, s.hash())
}

func (s Signer) hash() crypto.Hash {
	if s.Hash == 0 {
		return crypto.SHA256
	}
	return s.Hash
}

// digestAlgorithm leaves the parameters out (RFC 5754 §2).
func (s Signer) digestAlgorithm() ([]byte, error) {
	oid, err := digestOID(s.hash())
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	addAlgorithm(&b, oid)
	return b.Bytes()
}

// sign makes one SignerInfo.
func (s Signer) sign(digest func(crypto.Hash) []byte, at time.Time) ([]byte, error) {
	algorithm, err := s.digestAlgorithm()
	if err != nil {
		return nil, err
	}
	signature, err := s.signatureAlgorithm()
	if err != nil {
		return nil, err
	}
	content := digest(s.hash())
	if len(content) != s.hash().Size() {
		return nil, fmt.Errorf("cms: no %v digest of the content", s.hash())
	}
	attrs, err := signedAttrs(content, at)
	if err != nil {
		return nil, err
	}
	// RFC 5652 §5.4: signed as a SET OF, sent as [0].
	h := s.hash().New()
	h.Write(setOf(tagSet, attrs))
	value, err := s.Key.Sign(rand.Reader, h.Sum(nil), s.hash())
	if err != nil {
		return nil, fmt.Errorf("using the private key: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // RFC 5652 §5.3: version 1 goes with issuerAndSerialNumber
		addIssuerAndSerial(b, s.Certificate)
		b.AddBytes(algorithm)
		b.AddBytes(setOf(tagContext0|tagConstructed, attrs))
		b.AddBytes(signature)
		b.AddASN1OctetString(value)
	})
	return b.Bytes()
}

// signatureAlgorithm also checks that the key is the one of the certificate.
func (s Signer) signatureAlgorithm() ([]byte, error) {
	if s.Certificate == nil || s.Key == nil {
		return nil, errors.New("cms: a signer without certificate or key")
	}
	var b cryptobyte.Builder
	switch pub := s.Certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		err := checkRSA(pub, minSendingBits)
		if err != nil {
			return nil, err
		}
		if !pub.Equal(s.Key.Public()) {
			return nil, errors.New("cms: the key is not the one of the certificate")
		}
		addAlgorithm(&b, oidRSAEncryption, tagNull, 0) // RFC 5754 §3.2: what every reader knows
	case *ecdsa.PublicKey:
		if !pub.Equal(s.Key.Public()) {
			return nil, errors.New("cms: the key is not the one of the certificate")
		}
		i := slices.IndexFunc(signatures, func(known signatureAlgorithm) bool {
			return known.kind == x509.ECDSA && known.hash == s.hash()
		})
		if i < 0 || !curveAllowed(pub) {
			return nil, fmt.Errorf("%w: signing by this curve and digest", ErrUnsupported)
		}
		addAlgorithm(&b, signatures[i].oid) // RFC 5758 §3.2: no parameters
	default:
		return nil, fmt.Errorf("%w: signing by a key of kind %v", ErrUnsupported, s.Certificate.PublicKeyAlgorithm)
	}
	return b.Bytes()
}

// signedAttrs makes the attributes of a signature (RFC 5652 §11, RFC 8551 §2.5).
func signedAttrs(digest []byte, at time.Time) ([][]byte, error) {
	var attrs [][]byte
	var failed error
	add := func(oid asn1.ObjectIdentifier, value cryptobyte.BuilderContinuation) {
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			b.AddASN1(cbasn1.SET, value)
		})
		attr, err := b.Bytes()
		if err != nil {
			failed = fmt.Errorf("encoding signed attribute %v: %w", oid, err)
		}
		attrs = append(attrs, attr)
	}
	add(oidContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidData) })
	add(oidMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) })
	add(oidSigningTime, func(b *cryptobyte.Builder) { addTime(b, at.UTC()) })
	add(oidSMIMECapabilities, addCapabilities)
	return attrs, failed
}

// addTime writes a Time: RFC 5652 §11.3 wants UTCTime for the years 1950 to 2049.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t.Year() >= 1950 && t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// capabilities are the content ciphers that we read, best first.
var capabilities = []ContentCipher{AES256GCM, AES192GCM, AES128GCM, AES256CBC, AES192CBC, AES128CBC}

// addCapabilities writes SMIMECapabilities (RFC 8551 §2.5.2).
func addCapabilities(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, c := range capabilities {
			addAlgorithm(b, contentCiphers[c].oid) // RFC 3565 §5: no parameters
		}
	})
}
