package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
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
	// Algorithm names the signature algorithm for people, such as "RSA-PSS
	// SHA-256", "ECDSA P-384 SHA-384" or "RSA PKCS#1 v1.5 SHA-256"; "" if it is
	// not one of those allowed. Beside an error it is what the signer claims.
	Algorithm string
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
	r.Hash, r.Err = signatureDigest(signer.digest, s.sha1)
	if r.Err != nil {
		return r
	}
	how, err := signer.scheme(r.Hash, s.sha1)
	if err != nil {
		r.Err = err
		return r
	}
	r.Algorithm = how.describe(r.Certificate, r.Hash)
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
	r.Certificate, r.Err = signer.verifyBy(candidates, how, r.Hash)
	r.Algorithm = how.describe(r.Certificate, r.Hash)
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
func (s *signerInfo) verifyBy(candidates []*x509.Certificate, how signatureScheme, h crypto.Hash) (*x509.Certificate, error) {
	digests := s.attrs.digests(h)
	var first error
	for _, c := range candidates {
		for _, d := range digests {
			err := s.verifyDigest(c, how, h, d)
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
func (s *signerInfo) verifyDigest(c *x509.Certificate, how signatureScheme, h crypto.Hash, digest []byte) error {
	switch pub := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if how.kind != x509.RSA {
			break
		}
		err := checkRSA(pub, minRSABits)
		if err != nil {
			return err
		}
		if !how.verifyRSA(pub, h, digest, s.value) {
			return ErrBadSignature
		}
		return nil
	case *ecdsa.PublicKey:
		if how.kind != x509.ECDSA {
			break
		}
		if !curveAllowed(pub) {
			return fmt.Errorf("%w: signature by curve %s", ErrUnsupported, pub.Curve.Params().Name)
		}
		if !ecdsa.VerifyASN1(pub, digest, s.value) {
			return ErrBadSignature
		}
		return nil
	case nil:
		return fmt.Errorf("%w: the key of the signer is of an unknown kind", ErrUnsupported)
	}
	return fmt.Errorf("%w: algorithm %v does not go with a key of kind %v",
		ErrBadSignature, s.signature.oid, c.PublicKeyAlgorithm)
}

func (how signatureScheme) verifyRSA(pub *rsa.PublicKey, h crypto.Hash, digest, value []byte) bool {
	if how.pss {
		return verifyPSS(pub, h, digest, value, how.salt)
	}
	return rsa.VerifyPKCS1v15(pub, h, digest, value) == nil
}

// curveAllowed is AS-35.
func curveAllowed(pub *ecdsa.PublicKey) bool {
	return pub.Curve == elliptic.P256() || pub.Curve == elliptic.P384()
}
