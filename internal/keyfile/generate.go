package keyfile

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
)

// A Kind is a kind and size of key. The zero Kind is RSA2048.
type Kind string

// The kinds of key that Direct uses (AS-34, AS-35).
const (
	RSA2048 Kind = "rsa-2048"
	RSA3072 Kind = "rsa-3072"
	RSA4096 Kind = "rsa-4096"
	P256    Kind = "p256"
	P384    Kind = "p384"
)

// ParseKind reads the name of a kind; "" is RSA2048.
func ParseKind(text string) (Kind, error) {
	switch k := Kind(text); k {
	case "":
		return RSA2048, nil
	case RSA2048, RSA3072, RSA4096, P256, P384:
		return k, nil
	}
	return "", fmt.Errorf("%q is no kind of key: rsa-2048, rsa-3072, rsa-4096, p256 or p384", text)
}

// Generate makes a key.
func (k Kind) Generate() (crypto.Signer, error) {
	switch k {
	case "", RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	case P256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case P384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	return nil, fmt.Errorf("there are no keys of kind %q", string(k))
}

// A Use is what a certificate is for (AS-21). The zero Use is Both.
type Use string

// The uses. Sign and Encrypt are those of single-use certificates.
const (
	Both    Use = "both"
	Sign    Use = "sign"
	Encrypt Use = "encrypt"
)

// ParseUse reads the name of a use; "" is Both.
func ParseUse(text string) (Use, error) {
	switch u := Use(text); u {
	case "":
		return Both, nil
	case Both, Sign, Encrypt:
		return u, nil
	}
	return "", fmt.Errorf("%q is no use: sign, encrypt or both", text)
}

// KeyUsage returns the keyUsage of a certificate with a public key for the use
// (AS-20): to encrypt, RSA keys encipher keys and EC keys agree on them.
func (u Use) KeyUsage(public crypto.PublicKey) x509.KeyUsage {
	encrypt := x509.KeyUsageKeyEncipherment
	if _, ec := public.(*ecdsa.PublicKey); ec {
		encrypt = x509.KeyUsageKeyAgreement // RFC 5480 §3
	}
	switch u {
	case Sign:
		return x509.KeyUsageDigitalSignature
	case Encrypt:
		return encrypt
	}
	return x509.KeyUsageDigitalSignature | encrypt
}
