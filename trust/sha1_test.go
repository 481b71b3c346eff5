package trust_test

import (
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"testing"
)

// Go signs no certificate with SHA-1 any more, so these were made by OpenSSL
// with testdata/sha1.sh. TEST ONLY.
//
//go:embed testdata/sha1.pem
var sha1PEM []byte

// sha1Chain returns a root and a leaf for b.example that it signed with SHA-1.
func sha1Chain(t *testing.T) (root, leaf *x509.Certificate) {
	t.Helper()
	var certs []*x509.Certificate
	for block, rest := pem.Decode(sha1PEM); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		certs = append(certs, c)
	}
	return certs[0], certs[1]
}
