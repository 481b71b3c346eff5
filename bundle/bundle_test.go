package bundle

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"postern/internal/testnet"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func anchors(t testing.TB, n int) []*x509.Certificate {
	t.Helper()
	pki := testnet.NewPKI(t, now)
	var certs []*x509.Certificate
	for range n {
		certs = append(certs, pki.Root("anchor").Cert)
	}
	return certs
}

func pkcs7(t testing.TB, certs []*x509.Certificate) []byte {
	t.Helper()
	return testnet.CertsOnly(t, certs...)
}

// indefinite gives the outermost element of DER an indefinite length.
func indefinite(der []byte) []byte {
	s := cryptobyte.String(der)
	var inside cryptobyte.String
	s.ReadASN1(&inside, asn1.SEQUENCE)
	return slices.Concat([]byte{0x30, 0x80}, inside, []byte{0, 0})
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func bare(der []byte) []byte {
	text := base64.StdEncoding.EncodeToString(der)
	var b bytes.Buffer
	for len(text) > 64 {
		b.WriteString(text[:64] + "\r\n")
		text = text[64:]
	}
	b.WriteString(text + "\r\n")
	return b.Bytes()
}

func TestTB2_TB6_FormsOfFiles(t *testing.T) {
	certs := anchors(t, 2)
	p7 := pkcs7(t, certs)
	garbage := block("CERTIFICATE", []byte("garbage"))
	for _, c := range []struct {
		name string
		data []byte
		want int
		bad  int
		err  error
	}{
		{"DER certificate", certs[0].Raw, 1, 0, nil},
		{"base64 certificate", bare(certs[0].Raw), 1, 0, nil},
		{"PEM certificates", testnet.PEM(certs...), 2, 0, nil},
		{"PEM with text between", append(append([]byte("subject=x\n"), testnet.PEM(certs[0])...), append([]byte("\nissuer=y\n"), testnet.PEM(certs[1])...)...), 2, 0, nil},
		{"PEM twice the same", testnet.PEM(certs[0], certs[0]), 1, 0, nil},
		{"PEM with a bad one", append(garbage, testnet.PEM(certs...)...), 2, 1, nil},
		{"PEM beside a key", append(block("PRIVATE KEY", []byte("key")), testnet.PEM(certs[0])...), 1, 0, nil},
		{"DER PKCS #7", p7, 2, 0, nil},
		{"PEM PKCS #7", block("PKCS7", p7), 2, 0, nil},
		{"base64 PKCS #7", bare(p7), 2, 0, nil},
		{"empty", nil, 0, 0, ErrEmpty},
		{"spaces", []byte(" \r\n"), 0, 0, ErrEmpty},
		{"text", []byte("<html>404 not found</html>"), 0, 0, ErrFormat},
		{"base64 of text", []byte("aGVsbG8="), 0, 0, ErrFormat},
		{"key alone", block("PRIVATE KEY", []byte("key")), 0, 0, ErrEmpty},
		{"bad alone", garbage, 0, 0, ErrEmpty},
		{"cut off DER", certs[0].Raw[:200], 0, 0, ErrFormat},
		{"text before that looks like DER", append([]byte(" 0 s:CN = x\n"), testnet.PEM(certs[0])...), 1, 0, nil},
		{"mark before PEM", append([]byte(byteOrderMark), testnet.PEM(certs[0])...), 1, 0, nil},
		{"mark before DER", append([]byte(byteOrderMark), p7...), 2, 0, nil},
		{"DER with a line end", append(slices.Clone(p7), "\r\n"...), 2, 0, nil},
		{"DER with more behind", append(slices.Clone(p7), 0), 0, 0, ErrFormat},
		{"BER with a line end", append(indefinite(p7), '\n'), 2, 0, nil},
		{"base64 of BER", bare(indefinite(p7)), 2, 0, nil},
		{"with metadata", write(t, certs, "<TrustBundle/>"), 0, 0, ErrSigned},
		{"too large", make([]byte, MaxSize+1), 0, 0, ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, bad, err := Read(c.data)
			if len(got) != c.want || len(bad) != c.bad || !errors.Is(err, c.err) {
				t.Errorf("%d certificates, bad %v, error %v", len(got), bad, err)
			}
		})
	}
}

func TestTB2_BundleMadeByOpenSSL(t *testing.T) {
	openssl := testnet.Require(t, "openssl")
	certs := anchors(t, 3)
	for _, form := range []string{"DER", "PEM"} {
		cmd := exec.Command(openssl, "crl2pkcs7", "-nocrl", "-certfile", "/dev/stdin", "-outform", form)
		cmd.Stdin = bytes.NewReader(testnet.PEM(certs...))
		p7, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(p7, Options{})
		if err != nil || len(b.Bad) != 0 || !same(b.Anchors, certs) || b.Signed || b.Metadata != nil {
			t.Errorf("%s: %+v, %v", form, b, err)
		}
	}
}

func TestTB17_ManyCertificatesAreReadAndBounded(t *testing.T) {
	base := anchors(t, 1)[0]
	many := func(n int) []byte { return bytes.Repeat(testnet.PEM(base), n) }
	if got, _, err := Read(many(2000)); err != nil || len(got) != 1 {
		t.Errorf("%d certificates, %v", len(got), err)
	}
	bad := strings.Repeat("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", MaxCertificates+1)
	if _, _, err := Read([]byte(bad)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	big := pkcs7(t, anchors(t, 600))
	if got, _, err := Read(big); err != nil || len(got) != 600 {
		t.Errorf("%d certificates, %v", len(got), err)
	}
}
