package trust

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
)

// A Fingerprint is the SHA-256 of a certificate's DER. Certificates are the
// same only if their fingerprints are: a name or a key identifier is what
// anybody can write into a certificate of their own (AS-67).
type Fingerprint [sha256.Size]byte

// FingerprintOf returns the fingerprint of cert.
func FingerprintOf(cert *x509.Certificate) Fingerprint { return sha256.Sum256(cert.Raw) }

// String writes the fingerprint in lower-case hexadecimal.
func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }
