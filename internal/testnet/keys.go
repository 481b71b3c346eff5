package testnet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"fmt"
	"testing"
)

//go:embed testdata/keys/*.pem
var keyFiles embed.FS

// RSA2048Keys is the number of different RSA-2048 keys there are.
const RSA2048Keys = 16

// RSAKey returns the n-th (from 1) committed RSA key of the given size. There
// are RSA2048Keys of 2048 bits and one each of 1024, 3072 and 4096 bits. The
// same arguments give the same key in every run.
func RSAKey(t testing.TB, bits, n int) crypto.Signer {
	t.Helper()
	name := fmt.Sprintf("testdata/keys/rsa%d-%02d.pem", bits, n)
	text, err := keyFiles.ReadFile(name)
	if err != nil {
		t.Fatalf("testnet: no RSA key %d of %d bits: %v", n, bits, err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("testnet: %s is not PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("testnet: reading %s: %v", name, err)
	}
	return key.(crypto.Signer)
}

// ECKey returns a new key on the curve; these are quick to make.
func ECKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatalf("testnet: making an EC key: %v", err)
	}
	return key
}
