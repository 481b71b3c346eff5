package keyfile_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"strings"
	"testing"

	"postern/internal/keyfile"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		pair, err := keyfile.Read(data, passphrase("secret"))
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		switch key := pair.Key.(type) {
		case *rsa.PrivateKey:
			if !key.PublicKey.Equal(pair.Certificate.PublicKey) {
				t.Error("the key is another's")
			}
		case *ecdsa.PrivateKey:
			if !key.PublicKey.Equal(pair.Certificate.PublicKey) {
				t.Error("the key is another's")
			}
		default:
			t.Errorf("a key of kind %T", key)
		}
		child := pair.Certificate
		for _, issuer := range pair.Chain {
			err := child.CheckSignatureFrom(issuer)
			if err != nil {
				t.Errorf("the chain is out of order: %v", err)
			}
			child = issuer
		}
	})
}
