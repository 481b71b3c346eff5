package testnet

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
	"software.sslmate.com/src/go-pkcs12"
)

// Chain returns the certificates above id, nearest first, with the root last.
func (id *Identity) Chain() []*x509.Certificate {
	var chain []*x509.Certificate
	for up := id.Issuer; up != nil; up = up.Issuer {
		chain = append(chain, up.Cert)
	}
	return chain
}

// PEM returns certificates as PEM blocks.
func PEM(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}

// KeyPEM returns the private key as a PKCS #8 PEM block.
func (id *Identity) KeyPEM() []byte {
	id.pki.t.Helper()
	pkcs8, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		id.pki.t.Fatalf("testnet: writing a private key: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// PKCS12 returns the key, the certificate and its chain as a PKCS #12 file in
// the form of OpenSSL 3 (PBES2 with AES-256).
func (id *Identity) PKCS12(password string) []byte {
	id.pki.t.Helper()
	pfx, err := pkcs12.Modern.Encode(id.Key, id.Cert, id.Chain(), password)
	if err != nil {
		id.pki.t.Fatalf("testnet: writing PKCS #12: %v", err)
	}
	return pfx
}

// Certs returns the certificates of ids.
func Certs(ids ...*Identity) []*x509.Certificate {
	certs := make([]*x509.Certificate, len(ids))
	for i, id := range ids {
		certs[i] = id.Cert
	}
	return certs
}

// CertsOnly returns a collection of certificates: a degenerate PKCS #7 in DER,
// in the order given (RFC 5652 §5.2).
func CertsOnly(t testing.TB, certs ...*x509.Certificate) []byte {
	t.Helper()
	signedData := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}
	data := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	explicit := der.Tag(0).ContextSpecific().Constructed()
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(signedData)
		b.AddASN1(explicit, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {})
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(data) })
				b.AddASN1(explicit, func(b *cryptobyte.Builder) {
					for _, c := range certs {
						b.AddBytes(c.Raw)
					}
				})
				b.AddASN1(der.SET, func(*cryptobyte.Builder) {})
			})
		})
	})
	p7, err := b.Bytes()
	if err != nil {
		t.Fatalf("testnet: writing PKCS #7: %v", err)
	}
	return p7
}
