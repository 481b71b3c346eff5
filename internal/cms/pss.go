package cms

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxSalt bounds the salt of RSA-PSS, in octets: the longest that any key here
// has room for.
const maxSalt = maxRSABits / 8

// pssParams reads RSASSA-PSS-params (RFC 4056 §2.2; RFC 4055 §3.1) and returns
// the length of the salt. Its hash, and that of the mask, must be h, that of the
// digestAlgorithm. RFC 4056 §3 lets the content be digested by another hash than
// the signed attributes, and RFC 4055 §3.1 lets the mask be made by another, and
// both advise against it; nobody sends either. The defaults of absent parts are SHA-1, so that no part
// but the last two can be absent.
func pssParams(a algorithm, h crypto.Hash) (salt int, err error) {
	unknown := fmt.Errorf("%w: RSA-PSS parameters", ErrUnsupported)
	in := cryptobyte.String(a.params)
	var params, field cryptobyte.String
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !in.Empty() {
		return 0, unknown
	}
	if !params.ReadASN1(&field, contextTag(0)) {
		return 0, unknown
	}
	hash, ok := onlyAlgorithm(field)
	if !ok || !hash.isDigest(h) {
		return 0, unknown
	}
	if !params.ReadASN1(&field, contextTag(1)) {
		return 0, unknown
	}
	mgf, ok := onlyAlgorithm(field)
	if !ok || !mgf.oid.Equal(oidMGF1) {
		return 0, unknown
	}
	hash, ok = onlyAlgorithm(mgf.params)
	if !ok || !hash.isDigest(h) {
		return 0, unknown
	}
	var trailer int
	if !params.ReadOptionalASN1Integer(&salt, contextTag(2), 20) || salt < 0 || salt > maxSalt {
		return 0, unknown
	}
	if !params.ReadOptionalASN1Integer(&trailer, contextTag(3), 1) || trailer != 1 || !params.Empty() {
		return 0, unknown
	}
	return salt, nil
}

// isDigest reports whether the algorithm is one of digests, and is h.
func (a algorithm) isDigest(h crypto.Hash) bool {
	got, err := signatureDigest(a, false)
	return err == nil && got == h
}

// verifyPSS checks a signature (RFC 8017 §8.1.2). The standard library takes a
// salt of no octets for one of any length, which makes the signature no weaker.
func verifyPSS(pub *rsa.PublicKey, h crypto.Hash, digest, value []byte, salt int) bool {
	return rsa.VerifyPSS(pub, h, digest, value, &rsa.PSSOptions{SaltLength: salt, Hash: h}) == nil
}
