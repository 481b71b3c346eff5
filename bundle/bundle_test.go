package bundle

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TB-4: the certificates of a signed bundle are its signer's.
func TestTB4_SignedBundleIsRefused(t *testing.T) {
	openssl := testnet.Require(t, "openssl")
	pki := testnet.NewPKI(t, time.Now())
	signer := pki.Root("signer").Leaf("b.example", testnet.EC(elliptic.P256()))
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "bundle.p7m")
	text, err := exec.Command(openssl, "cms", "-sign", "-binary", "-nodetach", "-outform", "DER",
		"-in", put("in", pkcs7(t, anchors(t, 2))), "-signer", put("cert", testnet.PEM(signer.Cert)),
		"-inkey", put("key", signer.KeyPEM()), "-out", out).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	der, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"DER": der, "PEM": block("PKCS7", der), "base64": bare(der),
		"beside a certificate": append(testnet.PEM(signer.Cert), block("CMS", der)...)} {
		got, _, err := Read(data)
		if !errors.Is(err, ErrSigned) || len(got) != 0 {
			t.Errorf("%s: %d certificates, %v", name, len(got), err)
		}
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
		got, bad, err := Read(p7)
		if err != nil || len(bad) != 0 || len(got) != len(certs) {
			t.Errorf("%s: %d certificates, bad %v, %v", form, len(got), bad, err)
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

// Reading takes time in proportion to the size of the file.
func TestHostileFilesAreReadInLinearTime(t *testing.T) {
	for name, unit := range map[string]string{
		"begins":        "-----BEGIN CERTIFICATE-----\n",
		"begin and end": "-----BEGIN A-----\n-----END B-----\n",
		"nesting":       "\x30\x80",
		"dashes":        "-----BEGIN ",
		"base64":        "MIAw",
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(strings.Repeat(unit, MaxSize/len(unit)))
			began := time.Now()
			_, _, err := Read(data)
			if took := time.Since(began); err == nil || took > 5*time.Second {
				t.Errorf("took %v: %v", took, err)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	certs := anchors(f, 2)
	p7 := pkcs7(f, certs)
	for _, seed := range [][]byte{nil, certs[0].Raw, p7, testnet.PEM(certs...), block("PKCS7", p7), bare(p7), []byte("\x30\x80\x30\x80")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, bad, err := Read(data)
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%d certificates, %v", len(got), err)
		}
		if len(got)+len(bad) > MaxCertificates {
			t.Fatalf("%d certificates and %d bad ones", len(got), len(bad))
		}
		for _, c := range got {
			if c == nil || len(c.Raw) == 0 {
				t.Fatal("an empty certificate")
			}
		}
	})
}
