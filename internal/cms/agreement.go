package cms

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A KeyAgreement says how a content key came by key agreement: ephemeral-static
// ECDH, one pass, with the key derivation function of ANSI X9.63 and AES key
// wrap (RFC 5753 §3.1). On the curves here, whose cofactor is 1, standard and
// cofactor Diffie-Hellman are the same.
type KeyAgreement struct {
	Curve string      // "P-256", "P-384" or "P-521"
	KDF   crypto.Hash // SHA-1 to SHA-512
	Wrap  int         // bits of the AES key that wraps the content key
}

// String returns a description such as "ECDH P-256, SHA-256 KDF, AES-256 key
// wrap".
func (k KeyAgreement) String() string {
	return fmt.Sprintf("ECDH %s, %v KDF, AES-%d key wrap", k.Curve, k.KDF, k.Wrap)
}

// A KeyAgreer is the private operation of a static EC key, which *ecdh.PrivateKey
// has. An error of it never shows outside.
type KeyAgreer interface {
	ECDH(ephemeral *ecdh.PublicKey) (secret []byte, err error)
}

// agreementSchemes are the key agreement algorithms (RFC 5753 §7.1.4).
var agreementSchemes = []struct {
	oid  asn1.ObjectIdentifier
	hash crypto.Hash
}{
	{oidStdDHSHA256, crypto.SHA256},
	{oidStdDHSHA384, crypto.SHA384},
	{oidStdDHSHA512, crypto.SHA512},
	{oidStdDHSHA224, crypto.SHA224},
	// The KDF does not rest on collisions, so that SHA-1 is no weakness in it;
	// OpenSSL sends it unless told otherwise.
	{oidStdDHSHA1, crypto.SHA1},
	{oidCofactorSHA256, crypto.SHA256},
	{oidCofactorSHA384, crypto.SHA384},
	{oidCofactorSHA512, crypto.SHA512},
	{oidCofactorSHA224, crypto.SHA224},
	{oidCofactorDHSHA1, crypto.SHA1},
}

// keyWraps are the key wrap algorithms (RFC 3565 §2.3.2) and the length of their
// keys in octets.
var keyWraps = []struct {
	oid     asn1.ObjectIdentifier
	keySize int
}{
	{oidAES256Wrap, 32},
	{oidAES192Wrap, 24},
	{oidAES128Wrap, 16},
}

// An agreementCurve is a curve that key agreement is done on.
type agreementCurve struct {
	oid    asn1.ObjectIdentifier
	ecdh   ecdh.Curve
	scheme asn1.ObjectIdentifier // that we send with it
	hash   crypto.Hash           // of the KDF of scheme, as strong as the curve
}

// curveOf returns false for a public key that key agreement is not done with.
func curveOf(public any) (agreementCurve, bool) {
	pub, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return agreementCurve{}, false
	}
	switch pub.Curve {
	case elliptic.P256():
		return agreementCurve{oidP256, ecdh.P256(), oidStdDHSHA256, crypto.SHA256}, true
	case elliptic.P384():
		return agreementCurve{oidP384, ecdh.P384(), oidStdDHSHA384, crypto.SHA384}, true
	case elliptic.P521():
		return agreementCurve{oidP521, ecdh.P521(), oidStdDHSHA512, crypto.SHA512}, true
	}
	return agreementCurve{}, false
}

// sharedInfo is the ECC-CMS-SharedInfo (RFC 5753 §7.2): the key wrap algorithm,
// as it stands in the message, the user keying material if there is some, and
// the length of the wrapping key in bits.
func sharedInfo(wrap, ukm []byte, keySize int) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(wrap)
		if ukm != nil {
			b.AddASN1(contextTag(0), func(b *cryptobyte.Builder) { b.AddASN1OctetString(ukm) })
		}
		b.AddASN1(contextTag(2), func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(binary.BigEndian.AppendUint32(nil, uint32(keySize)*8))
		})
	})
	return b.Bytes()
}

// deriveKey is the key derivation function of ANSI X9.63 (SEC 1 §3.6.1).
func deriveKey(h crypto.Hash, secret, info []byte, size int) []byte {
	var key []byte
	for counter := uint32(1); len(key) < size; counter++ {
		d := h.New()
		d.Write(secret)
		d.Write(binary.BigEndian.AppendUint32(nil, counter))
		d.Write(info)
		key = d.Sum(key)
	}
	return key[:size]
}
