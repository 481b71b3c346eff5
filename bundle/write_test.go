package bundle

import (
	"bytes"
	"crypto/elliptic"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/testnet"
)

const description = "<TrustBundle><Profile>Test Community</Profile></TrustBundle>"

// TB-2: what is written is read back here and by OpenSSL.
func TestTB2_Write(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("root")
	certs := testnet.Certs(root.Leaf("b.example"), root)
	der, err := Write(certs)
	if err != nil {
		t.Fatal(err)
	}
	read, bad, err := Read(der)
	if err != nil || len(bad) > 0 || len(read) != 2 || !read[0].Equal(certs[0]) || !read[1].Equal(certs[1]) {
		t.Errorf("read back: %d certificates, %d bad, %v", len(read), len(bad), err)
	}
	for name, data := range map[string][]byte{"plain": der, "unsigned": write(t, certs, ""), "with metadata": write(t, certs, description)} {
		printed(t, name, data, 2)
	}
	_, err = Write(nil)
	if err == nil {
		t.Error("a collection of nothing was written")
	}
}

// printed has OpenSSL print the certificates of a PKCS #7.
func printed(t *testing.T, name string, der []byte, want int) {
	t.Helper()
	cmd := exec.Command(testnet.Require(t, "openssl"), "pkcs7", "-inform", "DER", "-print_certs", "-noout")
	cmd.Stdin = bytes.NewReader(der)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "subject=") != want {
		t.Errorf("%s: OpenSSL: %v\n%s", name, err, out)
	}
}

// TB-3: OpenSSL verifies what is signed here, and gives out the bundle inside.
func TestTB3_WriteSigned(t *testing.T) {
	openssl := testnet.Require(t, "openssl")
	pki := testnet.NewPKI(t, time.Now())
	community := pki.Root("community")
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"))
	for name, id := range map[string]*testnet.Identity{
		"RSA": community.Leaf("bundles.example"),
		"EC":  community.Leaf("bundles.example", testnet.EC(elliptic.P256())),
	} {
		for _, metadata := range []string{"", description} {
			der, err := WriteSigned(certs, []byte(metadata), signer(id), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			root, in := filepath.Join(dir, "root.pem"), filepath.Join(dir, "bundle.p7m")
			err = errors.Join(os.WriteFile(root, testnet.PEM(community.Cert), 0o600), os.WriteFile(in, der, 0o600))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(openssl, "cms", "-verify", "-binary", "-inform", "DER", "-in", in, "-CAfile", root)
			inner, err := cmd.Output()
			if err != nil || !bytes.Equal(inner, write(t, certs, metadata)) {
				t.Errorf("%s: OpenSSL: %v, %d octets", name, err, len(inner))
				continue
			}
			printed(t, name, inner, 2)
			b, err := Parse(der, Options{Signer: id.Cert})
			if err != nil || !same(b.Anchors, certs) || (b.Metadata != nil) != (metadata != "") || b.Metadata != nil && b.Metadata.Profile != "Test Community" {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
		}
	}
}

// gpgsm imports what is written here.
func TestTB2_GpgsmImports(t *testing.T) {
	gpgsm := testnet.Require(t, "gpgsm")
	pki := testnet.NewPKI(t, time.Now())
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"))
	home, err := os.MkdirTemp("", "gpgsm") // short: it is a part of a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	file := filepath.Join(home, "bundle.p7b")
	err = os.WriteFile(file, write(t, certs, ""), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(gpgsm, "--homedir", home, "--batch", "--disable-crl-checks", "--import", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "total number processed: 2") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWhatWouldNotBeTakenIsNotWritten(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	certs := testnet.Certs(pki.Root("one"))
	_, err := WriteUnsigned(nil, nil)
	if !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	_, err = WriteUnsigned(certs, []byte("<RequiredOids>"))
	if !errors.Is(err, ErrMetadata) {
		t.Errorf("odd metadata: %v", err)
	}
	_, err = WriteSigned(certs, nil, signer(id), now.AddDate(2, 0, 0))
	if !errors.Is(err, ErrSignerExpired) {
		t.Errorf("an expired signer: %v", err)
	}
	for name, by := range map[string]cms.Signer{
		"nobody": {}, "no key": {Certificate: id.Cert}, "another's key": {Certificate: id.Cert, Key: pki.SelfSigned("x.example").Key},
	} {
		_, err = WriteSigned(certs, nil, by, now)
		if err == nil {
			t.Errorf("signed by %s", name)
		}
	}
}
