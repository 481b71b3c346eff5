package cms

import (
	"bytes"
	"crypto"
	_ "crypto/sha1" // for RSA-OAEP and KDFs, whose security does not rest on collisions; and see SignedOptions
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// An algorithm is an AlgorithmIdentifier (RFC 5280 §4.1.1.2).
type algorithm struct {
	oid    asn1.ObjectIdentifier
	params []byte // one DER element, or nil if absent
}

// readAlgorithm takes an AlgorithmIdentifier off s.
func readAlgorithm(s *cryptobyte.String) (algorithm, bool) {
	var seq cryptobyte.String
	var a algorithm
	if !s.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1ObjectIdentifier(&a.oid) {
		return a, false
	}
	if seq.Empty() {
		return a, true
	}
	var params cryptobyte.String
	var tag cbasn1.Tag
	if !seq.ReadAnyASN1Element(&params, &tag) || !seq.Empty() {
		return a, false
	}
	a.params = params
	return a, true
}

// readAlgorithm takes an AlgorithmIdentifier off the stream.
func (b *berReader) readAlgorithm(what string) (algorithm, error) {
	h, err := b.want(tagSequence, what)
	if err != nil {
		return algorithm{}, err
	}
	der, err := b.element(nil, h)
	if err != nil {
		return algorithm{}, fmt.Errorf("reading %s: %w", what, err)
	}
	s := cryptobyte.String(der)
	a, ok := readAlgorithm(&s)
	if !ok {
		return a, malformed("%s is no algorithm identifier", what)
	}
	return a, nil
}

// noParams reports whether parameters are absent or NULL. Both are met for
// digests and for RSA, whatever the document of the algorithm asks of a sender
// (RFC 5754 §2: "MUST accept").
func (a algorithm) noParams() bool {
	return len(a.params) == 0 || bytes.Equal(a.params, []byte{tagNull, 0})
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, params ...byte) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddBytes(params)
	})
}

// digests are the hash functions that a signature may use (AS-30).
var digests = []struct {
	hash crypto.Hash
	oid  asn1.ObjectIdentifier
}{
	{crypto.SHA256, oidSHA256},
	{crypto.SHA384, oidSHA384},
	{crypto.SHA512, oidSHA512},
}

// Hashes returns the hash functions that a signature may use (AS-30).
func Hashes() []crypto.Hash {
	all := make([]crypto.Hash, 0, len(digests))
	for _, d := range digests {
		all = append(all, d.hash)
	}
	return all
}

func digestOID(h crypto.Hash) (asn1.ObjectIdentifier, error) {
	for _, d := range digests {
		if d.hash == h {
			return d.oid, nil
		}
	}
	return nil, fmt.Errorf("%w: digest %v", ErrUnsupported, h)
}

// signatureDigest is the hash function of a SignerInfo's digestAlgorithm. SHA-1
// is one if it was asked for (AS-31).
func signatureDigest(a algorithm, sha1 bool) (crypto.Hash, error) {
	for _, d := range digests {
		if d.oid.Equal(a.oid) && a.noParams() {
			return d.hash, nil
		}
	}
	if sha1 && a.oid.Equal(oidSHA1) && a.noParams() {
		return crypto.SHA1, nil
	}
	// AS-31: MD5 and SHA-224 are not to be switched on.
	if a.oid.Equal(oidSHA1) || a.oid.Equal(oidMD5) || a.oid.Equal(oidSHA224) {
		return 0, fmt.Errorf("%w: digest %v", ErrWeakAlgorithm, a.oid)
	}
	return 0, fmt.Errorf("%w: digest %v", ErrUnsupported, a.oid)
}
