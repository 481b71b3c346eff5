package keyfile_test

import (
	"strings"
	"testing"

	"postern/internal/keyfile"
)

// FuzzPKCS12 gives whatever comes in DER to the reader of PKCS #12.
func FuzzPKCS12(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x03})
	f.Fuzz(func(t *testing.T, data []byte) { soundly(t, data) })
}

// FuzzPEM gives whatever comes as text to the reader of PEM.
func FuzzPEM(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		soundly(t, append([]byte("-----BEGIN X-----\n-----END X-----\n"), data...))
	})
}

// soundly reads data: there is an error of one line, or pairs that fit together.
func soundly(t *testing.T, data []byte) {
	pairs, err := keyfile.Read(data, passphrase("secret"))
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %q", err)
		}
		return
	}
	if len(pairs) == 0 {
		t.Error("neither an error nor a pair")
	}
	for _, pair := range pairs {
		if !keyfile.Matches(pair.Certificate, pair.Key.Public()) {
			t.Error("the key is another's")
		}
		child := pair.Certificate
		for _, issuer := range pair.Chain {
			err := child.CheckSignatureFrom(issuer)
			if err != nil {
				t.Errorf("the chain is out of order: %v", err)
			}
			child = issuer
		}
	}
}
