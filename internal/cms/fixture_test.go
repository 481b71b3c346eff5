package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

const fixtures = "../../testdata/cms"

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pemBlock(t testing.TB, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(fixture(t, name))
	if block == nil {
		t.Fatalf("%s has no PEM block", name)
	}
	return block.Bytes
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(pemBlock(t, name+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func privateKey(t testing.TB, name string) crypto.Signer {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(pemBlock(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return opaqueSigner{key.(crypto.Signer)}
}

// opaqueSigner hides the kind of the key, as a hardware module does.
type opaqueSigner struct{ crypto.Signer }

// opaqueDecrypter does the same and counts how often the key is used.
type opaqueDecrypter struct {
	crypto.Decrypter
	mu   sync.Mutex
	uses int
}

func (d *opaqueDecrypter) Decrypt(r io.Reader, msg []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	d.mu.Lock()
	d.uses++
	d.mu.Unlock()
	return d.Decrypter.Decrypt(r, msg, opts)
}

// opaqueAgreer does the same for key agreement.
type opaqueAgreer struct {
	KeyAgreer
	uses int
}

func (a *opaqueAgreer) ECDH(p *ecdh.PublicKey) ([]byte, error) {
	a.uses++
	return a.KeyAgreer.ECDH(p)
}

func recipientKey(t testing.TB, name string) RecipientKey {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(pemBlock(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	c := certificate(t, name)
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return RecipientKey{Certificate: c, Decrypter: &opaqueDecrypter{Decrypter: key.(crypto.Decrypter)}}
	}
	agreer, err := ec.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	return RecipientKey{Certificate: c, Agreement: &opaqueAgreer{KeyAgreer: agreer}}
}

func signer(t testing.TB, name string, h crypto.Hash) Signer {
	t.Helper()
	return Signer{Certificate: certificate(t, name), Key: privateKey(t, name), Hash: h}
}

// digester is what SignDetached and Verify ask for, over content in memory.
func digester(content []byte) func(crypto.Hash) []byte {
	return func(h crypto.Hash) []byte {
		d := h.New()
		d.Write(content)
		return d.Sum(nil)
	}
}

func encrypt(t testing.TB, plain []byte, o EncryptOptions, to ...*x509.Certificate) []byte {
	t.Helper()
	message, err := tryEncrypt(plain, o, to...)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func tryEncrypt(plain []byte, o EncryptOptions, to ...*x509.Certificate) ([]byte, error) {
	var out bytes.Buffer
	w, err := NewEnvelopedWriter(&out, int64(len(plain)), to, o)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return out.Bytes(), err
}

func decrypt(message []byte, keys ...RecipientKey) ([]byte, error) {
	e, err := OpenEnveloped(bytes.NewReader(message), keys, Limits{})
	if err != nil {
		return nil, err
	}
	return io.ReadAll(e)
}
