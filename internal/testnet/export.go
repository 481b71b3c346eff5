package testnet

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"

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
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		id.pki.t.Fatalf("testnet: writing a private key: %v", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
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
