package cms

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
)

// A signatureScheme is a signatureAlgorithm that was understood.
type signatureScheme struct {
	kind x509.PublicKeyAlgorithm // of the key that it is for
	pss  bool                    // of RSA: RSA-PSS, with a salt of so many octets
	salt int
}

type signatureAlgorithm struct {
	oid  asn1.ObjectIdentifier
	kind x509.PublicKeyAlgorithm
	hash crypto.Hash // 0 leaves it to the digestAlgorithm
}

// signatures are the signature algorithms without parameters (RFC 5754 §3).
var signatures = []signatureAlgorithm{
	{oidRSAEncryption, x509.RSA, 0},
	{oidSHA256WithRSA, x509.RSA, crypto.SHA256},
	{oidSHA384WithRSA, x509.RSA, crypto.SHA384},
	{oidSHA512WithRSA, x509.RSA, crypto.SHA512},
	{oidECDSAWithSHA256, x509.ECDSA, crypto.SHA256},
	{oidECDSAWithSHA384, x509.ECDSA, crypto.SHA384},
	{oidECDSAWithSHA512, x509.ECDSA, crypto.SHA512},
}

// sha1Signatures are taken if SHA-1 was asked for (AS-31; RFC 3370 §3.2,
// RFC 5753 §7.1.3).
var sha1Signatures = []signatureAlgorithm{
	{oidSHA1WithRSA, x509.RSA, crypto.SHA1},
	{oidECDSAWithSHA1, x509.ECDSA, crypto.SHA1},
}

// weakSignatures are known and refused (AS-31).
var weakSignatures = []asn1.ObjectIdentifier{
	oidMD5WithRSA, oidSHA1WithRSA, oidSHA224WithRSA, oidECDSAWithSHA1, oidECDSAWithSHA224,
}

// scheme reads the signatureAlgorithm, whose hash must be that of the
// digestAlgorithm.
func (s *signerInfo) scheme(h crypto.Hash, sha1 bool) (signatureScheme, error) {
	if s.signature.oid.Equal(oidRSASSAPSS) {
		salt, err := pssParams(s.signature, h)
		return signatureScheme{kind: x509.RSA, pss: true, salt: salt}, err
	}
	known := signatures
	if sha1 {
		known = slices.Concat(signatures, sha1Signatures)
	}
	for _, k := range known {
		if !k.oid.Equal(s.signature.oid) {
			continue
		}
		if !s.signature.noParams() {
			return signatureScheme{}, fmt.Errorf("%w: parameters of signature algorithm %v", ErrUnsupported, k.oid)
		}
		if k.hash != 0 && k.hash != h {
			return signatureScheme{}, fmt.Errorf("%w: digest and signature algorithm disagree", ErrBadSignature)
		}
		return signatureScheme{kind: k.kind}, nil
	}
	if slices.ContainsFunc(weakSignatures, s.signature.oid.Equal) {
		return signatureScheme{}, fmt.Errorf("%w: signature algorithm %v", ErrWeakAlgorithm, s.signature.oid)
	}
	return signatureScheme{}, fmt.Errorf("%w: signature algorithm %v", ErrUnsupported, s.signature.oid)
}

// describe names the scheme for people, with the curve of the signer's
// certificate if there is one.
func (how signatureScheme) describe(c *x509.Certificate, h crypto.Hash) string {
	name := "RSA PKCS#1 v1.5"
	switch {
	case how.pss:
		name = "RSA-PSS"
	case how.kind == x509.ECDSA:
		name = "ECDSA"
		if c == nil {
			break
		}
		pub, ok := c.PublicKey.(*ecdsa.PublicKey)
		if ok {
			name += " " + pub.Curve.Params().Name
		}
	}
	return name + " " + h.String()
}
