package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"testing"
	"time"

	smallstep "github.com/smallstep/pkcs7"
	mozilla "go.mozilla.org/pkcs7"
)

// Two other implementations of PKCS #7 in Go: what they write is read here, and
// what is written here they read.

func rawKey(t testing.TB, name string) crypto.PrivateKey {
	t.Helper()
	key, err := x509.ParsePKCS8PrivateKey(pemBlock(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestOraclesReadEnveloped(t *testing.T) {
	alice, key := certificate(t, "alice"), rawKey(t, "alice")
	for _, size := range []int{0, 1, 16, 50_000} {
		plain := noise(size)
		message := encrypt(t, plain, EncryptOptions{Cipher: AES128CBC}, alice)
		m, err := mozilla.Parse(message)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Decrypt(alice, key)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("mozilla of %d octets: %d, %v", size, len(got), err)
		}
		message = encrypt(t, plain, EncryptOptions{Transport: RSAOAEPSHA256}, alice)
		s, err := smallstep.Parse(message)
		if err != nil {
			t.Fatal(err)
		}
		got, err = s.Decrypt(alice, key)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("smallstep of %d octets: %d, %v", size, len(got), err)
		}
	}
}

func TestOraclesWriteEnveloped(t *testing.T) {
	mozilla.ContentEncryptionAlgorithm = mozilla.EncryptionAlgorithmAES256CBC
	smallstep.ContentEncryptionAlgorithm = smallstep.EncryptionAlgorithmAES128CBC
	to := []*x509.Certificate{certificate(t, "bob"), certificate(t, "alice")}
	plain := noise(50_000)
	for name, write := range map[string]func([]byte, []*x509.Certificate) ([]byte, error){
		"mozilla": mozilla.Encrypt, "smallstep": smallstep.Encrypt,
	} {
		message, err := write(plain, to)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decrypt(message, recipientKey(t, "alice"))
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
	}
}

func TestOraclesReadSigned(t *testing.T) {
	content := noise(1000)
	der, err := SignDetached(digester(content), []Signer{signer(t, "alice", 0), signer(t, "p384", crypto.SHA384)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m, err := mozilla.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	m.Content = content
	err = m.Verify()
	if err != nil {
		t.Errorf("mozilla: %v", err)
	}
	s, err := smallstep.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	s.Content = content
	err = s.Verify()
	if err != nil {
		t.Errorf("smallstep: %v", err)
	}
}

func TestOraclesWriteSigned(t *testing.T) {
	content := noise(1000)
	for _, detached := range []bool{false, true} {
		m, err := mozilla.NewSignedData(content)
		if err != nil {
			t.Fatal(err)
		}
		m.SetDigestAlgorithm(mozilla.OIDDigestAlgorithmSHA256)
		err = m.AddSigner(certificate(t, "alice"), rawKey(t, "alice"), mozilla.SignerInfoConfig{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := smallstep.NewSignedData(content)
		if err != nil {
			t.Fatal(err)
		}
		s.SetDigestAlgorithm(smallstep.OIDDigestAlgorithmSHA512)
		err = s.AddSigner(certificate(t, "bob"), rawKey(t, "bob"), smallstep.SignerInfoConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if detached {
			m.Detach()
			s.Detach()
		}
		for name, finish := range map[string]func() ([]byte, error){"mozilla": m.Finish, "smallstep": s.Finish} {
			der, err := finish()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			verifyAll(t, der, content, detached)
		}
	}
}
