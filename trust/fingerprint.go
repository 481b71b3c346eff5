package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
)

// A Fingerprint is the SHA-256 of a certificate's DER. Certificates are the
// same only if their fingerprints are: a name or a key identifier is what
// anybody can write into a certificate of their own (AS-67).
type Fingerprint [sha256.Size]byte

// ErrFingerprint is returned by ParseFingerprint.
var ErrFingerprint = errors.New("a fingerprint is 64 hexadecimal digits")

// FingerprintOf returns the fingerprint of cert.
func FingerprintOf(cert *x509.Certificate) Fingerprint { return sha256.Sum256(cert.Raw) }

// ParseFingerprint reads what String wrote, in either case.
func ParseFingerprint(s string) (Fingerprint, error) {
	var f Fingerprint
	if len(s) != hex.EncodedLen(len(f)) {
		return Fingerprint{}, ErrFingerprint
	}
	_, err := hex.Decode(f[:], []byte(s))
	if err != nil {
		return Fingerprint{}, ErrFingerprint
	}
	return f, nil
}

// String writes the fingerprint in lower-case hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }
