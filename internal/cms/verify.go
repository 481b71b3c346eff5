package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"
)

// A SignerResult is the verdict on one signature.
type SignerResult struct {
	// Certificate is the one whose key verifies the signature. Beside an error it
	// is the one that the signer claims, or nil: good for a log and nothing else.
	Certificate *x509.Certificate
	// Hash digests the content; 0 if it is not one of those allowed.
	Hash crypto.Hash
	// SigningTime is what the signer says; zero if it does not say.
	SigningTime time.Time
	// Err is nil if the signature is good.
	Err error
}

// Verify checks every signature against the content, whose digest by hash h is
// digest(h), or nil if it cannot be had. The results are in the order of the
// message. The certificate of a signer is looked for in the message, then among
// others. Whether it is to be trusted is not asked here.
func (s *SignedData) Verify(digest func(crypto.Hash) []byte, others ...*x509.Certificate) []SignerResult {
	results := make([]SignerResult, 0, len(s.signers))
	candidates := slices.Concat(s.Certificates, others)
	for i := range s.signers {
		results = append(results, s.verify(&s.signers[i], digest, candidates))
	}
	return results
}

func (s *SignedData) verify(signer *signerInfo, digest func(crypto.Hash) []byte, candidates []*x509.Certificate) SignerResult {
	var r SignerResult
	if signer.attrs != nil {
		r.SigningTime = signer.attrs.signingTime
	}
	candidates = signer.named(candidates)
	if len(candidates) > 0 {
		r.Certificate = candidates[0]
	}
	r.Err = signer.err
	if r.Err != nil {
		return r
	}
	r.Hash, r.Err = signatureDigest(signer.digest)
	if r.Err != nil {
		return r
	}
	content := digest(r.Hash)
	if content == nil {
		r.Err = fmt.Errorf("%w: digest %v, which the message does not announce", ErrUnsupported, r.Hash)
		return r
	}
	r.Err = signer.attrs.check(s.ContentType, content)
	if r.Err != nil {
		return r
	}
	if len(candidates) == 0 {
		r.Err = ErrNoCertificate
		return r
	}
	r.Certificate, r.Err = signer.verifyBy(candidates, r.Hash)
	return r
}

// named picks the certificates that have the name of the signer, without those
// that come twice and no more than maxSameName: each may cost a verification.
func (s *signerInfo) named(candidates []*x509.Certificate) []*x509.Certificate {
	var named []*x509.Certificate
	for _, c := range candidates {
		if c == nil || s.err != nil || !s.id.names(c) || slices.ContainsFunc(named, c.Equal) {
			continue
		}
		named = append(named, c)
		if len(named) == maxSameName {
			break
		}
	}
	return named
}

// verifyBy tries the certificates that have the name of the signer: a message
// may bring a wrong one of that name beside the right one.
func (s *signerInfo) verifyBy(candidates []*x509.Certificate, h crypto.Hash) (*x509.Certificate, error) {
	digests := s.attrs.digests(h)
	var first error
	for _, c := range candidates {
		for _, d := range digests {
			err := s.verifyDigest(c, h, d)
			if err == nil {
				return c, nil
			}
			if first == nil {
				first = err
			}
		}
	}
	return candidates[0], first
}

// verifyDigest checks the signature by the public key of c.
func (s *signerInfo) verifyDigest(c *x509.Certificate, h crypto.Hash, digest []byte) error {
	kind, err := s.signatureKind(h)
	if err != nil {
		return err
	}
	switch pub := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if kind != x509.RSA {
			break
		}
		err := checkRSA(pub)
		if err != nil {
			return err
		}
		if rsa.VerifyPKCS1v15(pub, h, digest, s.value) != nil {
			return ErrBadSignature
		}
		return nil
	case *ecdsa.PublicKey:
		if kind != x509.ECDSA {
			break
		}
		if !curveAllowed(pub) {
			return fmt.Errorf("%w: signature by curve %s", ErrUnsupported, pub.Curve.Params().Name)
		}
		if !ecdsa.VerifyASN1(pub, digest, s.value) {
			return ErrBadSignature
		}
		return nil
	}
	return fmt.Errorf("%w: algorithm %v does not go with a key of kind %v",
		ErrBadSignature, s.signature.oid, c.PublicKeyAlgorithm)
}

// curveAllowed is AS-35.
func curveAllowed(pub *ecdsa.PublicKey) bool {
	return pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384()
}

type signatureAlgorithm struct {
	oid  asn1.ObjectIdentifier
	kind x509.PublicKeyAlgorithm
	hash crypto.Hash // 0 leaves it to the digestAlgorithm
}

// signatures are the signature algorithms (RFC 5754 §3).
var signatures = []signatureAlgorithm{
	{oidRSAEncryption, x509.RSA, 0},
	{oidSHA256WithRSA, x509.RSA, crypto.SHA256},
	{oidSHA384WithRSA, x509.RSA, crypto.SHA384},
	{oidSHA512WithRSA, x509.RSA, crypto.SHA512},
	{oidECDSAWithSHA256, x509.ECDSA, crypto.SHA256},
	{oidECDSAWithSHA384, x509.ECDSA, crypto.SHA384},
	{oidECDSAWithSHA512, x509.ECDSA, crypto.SHA512},
}

// weakSignatures are known and refused (AS-31).
var weakSignatures = []asn1.ObjectIdentifier{
	oidMD5WithRSA, oidSHA1WithRSA, oidSHA224WithRSA, oidECDSAWithSHA1, oidECDSAWithSHA224,
}

// signatureKind is the kind of key that the signatureAlgorithm is for; its hash
// must be that of the digestAlgorithm.
func (s *signerInfo) signatureKind(h crypto.Hash) (x509.PublicKeyAlgorithm, error) {
	for _, weak := range weakSignatures {
		if weak.Equal(s.signature.oid) {
			return 0, fmt.Errorf("%w: signature algorithm %v", ErrWeakAlgorithm, weak)
		}
	}
	for _, known := range signatures {
		if !known.oid.Equal(s.signature.oid) {
			continue
		}
		if !s.signature.noParams() {
			return 0, fmt.Errorf("%w: parameters of signature algorithm %v", ErrUnsupported, known.oid)
		}
		if known.hash != 0 && known.hash != h {
			return 0, fmt.Errorf("%w: digest and signature algorithm disagree", ErrBadSignature)
		}
		return known.kind, nil
	}
	return 0, fmt.Errorf("%w: signature algorithm %v", ErrUnsupported, s.signature.oid)
}
