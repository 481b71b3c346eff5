package smime

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postern/internal/cms"
	"postern/internal/testnet"
)

var signedAt = time.Date(2026, 11, 22, 4, 5, 6, 0, time.UTC)

func block(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := pem.Decode(text)
	return p.Bytes
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(block(t, name+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(t testing.TB, name string) any {
	t.Helper()
	k, err := x509.ParsePKCS8PrivateKey(block(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signer(t testing.TB, name string, h crypto.Hash) cms.Signer {
	t.Helper()
	return cms.Signer{Certificate: certificate(t, name), Key: key(t, name).(crypto.Signer), Hash: h}
}

func recipient(t testing.TB, name string) []cms.RecipientKey {
	t.Helper()
	return []cms.RecipientKey{{Certificate: certificate(t, name), Decrypter: key(t, name).(crypto.Decrypter)}}
}

func source(s string) Source { return SectionSource(strings.NewReader(s), int64(len(s))) }

// text makes a message of about n octets.
func text(n int) string {
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	return "From: a@alice.example\r\nTo: b@bob.example\r\nSubject: x\r\n\r\n" + strings.Repeat(line, n/len(line)+1)
}

const outerHead = "From: a@alice.example\r\nTo: b@bob.example\r\nMIME-Version: 1.0\r\n"

func seal(t testing.TB, content Source, signers ...cms.Signer) string {
	t.Helper()
	if signers == nil {
		signers = []cms.Signer{signer(t, "alice", 0)}
	}
	entity, err := Sign(t.Context(), content, signers, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return encrypt(t, entity)
}

func encrypt(t testing.TB, entity *SignedEntity) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(outerHead)
	to := []*x509.Certificate{certificate(t, "alice"), certificate(t, "bob")}
	err := Encrypt(&b, entity, to, cms.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// envelop encrypts any entity, signed or not.
func envelop(t testing.TB, entity string) string {
	t.Helper()
	return encrypt(t, &SignedEntity{head: entity, content: source("")})
}

func open(t testing.TB, message string) (*Opened, error) {
	t.Helper()
	return Open(t.Context(), source(message), recipient(t, "bob"), Options{})
}

func readContent(t testing.TB, o *Opened) string {
	t.Helper()
	r, err := o.Content()
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func signedText(t testing.TB, content string) string {
	t.Helper()
	entity, err := Sign(t.Context(), source(content), []cms.Signer{signer(t, "alice", 0)}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_, err = entity.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func certsOnly(t testing.TB) string {
	t.Helper()
	p7 := testnet.CertsOnly(t, certificate(t, "alice"))
	return "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n" +
		string(p7) + "\r\n--b--\r\n"
}

// A faulty source breaks after some octets.
type faulty struct {
	text string
	size int64
	err  error
}

func (f faulty) Open() (io.Reader, error) {
	return io.MultiReader(strings.NewReader(f.text), iotest.ErrReader(f.err)), nil
}
func (f faulty) Size() int64 { return f.size }
