package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/testnet"
)

// openssl runs the command line of OpenSSL.
func openssl(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(testnet.Require(t, "openssl"), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

func pathOf(name string) string { return filepath.Join(fixtures, name) }

func tempFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	err := os.WriteFile(path, data, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenSSLReadsEnveloped(t *testing.T) {
	to := []*x509.Certificate{certificate(t, "bob"), certificate(t, "alice")}
	options := []EncryptOptions{
		{}, {Cipher: AES128CBC}, {Cipher: AES192CBC},
		{Transport: RSAOAEPSHA256}, {Transport: RSAOAEPSHA384}, {Transport: RSAOAEPSHA512},
	}
	for _, o := range options {
		for _, size := range []int{0, 1, 16, 100_000} {
			plain := noise(size)
			message := tempFile(t, "message", encrypt(t, plain, o, to...))
			for _, who := range []string{"alice", "bob"} {
				got := openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", message,
					"-recip", pathOf(who+".pem"), "-inkey", pathOf(who+".key"))
				if !bytes.Equal(got, plain) {
					t.Errorf("%v, %v, %d octets: %s reads %d octets", o.Cipher, o.Transport, size, who, len(got))
				}
			}
		}
	}
}

func TestOpenSSLWritesEnveloped(t *testing.T) {
	alice := pathOf("alice.pem")
	variants := [][]string{
		{"cms", "-aes-256-cbc", "-recip", alice},
		{"cms", "-aes-128-cbc", "-stream", "-recip", alice},
		{"cms", "-aes-192-cbc", "-keyid", "-recip", pathOf("p384.pem"), "-recip", alice, "-recip", pathOf("bob.pem")},
		{"cms", "-aes-256-cbc", "-stream", "-recip", alice, "-keyopt", "rsa_padding_mode:oaep"},
		{"cms", "-aes-256-cbc", "-recip", alice, "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:sha256",
			"-keyopt", "rsa_mgf1_md:sha1"},
		{"smime", "-aes256", "-stream", alice},
	}
	for _, size := range []int{1, 4096, 1_000_000} {
		plain := noise(size)
		in := tempFile(t, "plain", plain)
		for _, v := range variants {
			args := append([]string{v[0], "-encrypt", "-binary", "-outform", "DER", "-in", in}, v[1:]...)
			got, err := decrypt(openssl(t, args...), recipientKey(t, "alice"))
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%v of %d octets: %d back, %v", v, size, len(got), err)
			}
		}
	}
}

func TestAS30_OpenSSLReadsSigned(t *testing.T) {
	content := noise(10_000)
	in := tempFile(t, "content", content)
	signers := []Signer{
		signer(t, "alice", crypto.SHA256), signer(t, "bob", crypto.SHA512),
		signer(t, "p256", crypto.SHA256), signer(t, "p384", crypto.SHA384),
	}
	for n := range signers {
		der, err := SignDetached(digester(content), signers[n:], time.Now())
		if err != nil {
			t.Fatal(err)
		}
		message := tempFile(t, "signature", der)
		got := openssl(t, "cms", "-verify", "-binary", "-inform", "DER", "-in", message, "-content", in, "-noverify")
		if !bytes.Equal(got, content) {
			t.Errorf("by %d signers: %d octets verified", len(signers)-n, len(got))
		}
	}
}

func TestOpenSSLWritesSigned(t *testing.T) {
	content := noise(100_000)
	in := tempFile(t, "content", content)
	by := func(who string) []string {
		return []string{"-signer", pathOf(who + ".pem"), "-inkey", pathOf(who + ".key")}
	}
	variants := [][]string{
		append(by("alice"), "-md", "sha256"),
		append(by("bob"), "-md", "sha384", "-keyid"),
		append(by("p384"), "-md", "sha512", "-nosmimecap"),
		append(append(by("alice"), by("p256")...), "-md", "sha256", "-certfile", pathOf("bob.pem")),
	}
	for _, v := range variants {
		for _, form := range [][]string{{}, {"-nodetach"}, {"-nodetach", "-stream"}} {
			args := append([]string{"cms", "-sign", "-binary", "-outform", "DER", "-in", in}, append(v, form...)...)
			verifyAll(t, openssl(t, args...), content, len(form) == 0)
		}
	}
}

// verifyAll wants every signature to be good.
func verifyAll(t *testing.T, message, content []byte, detached bool) {
	t.Helper()
	var s *SignedData
	digest := digester(content)
	if detached {
		var err error
		s, err = ParseSigned(message, SignedOptions{})
		if err != nil {
			t.Fatal(err)
		}
	} else {
		r, err := OpenSigned(bytes.NewReader(message), SignedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d octets, %v", len(got), err)
		}
		s, digest = r.Signed(), r.Digest
	}
	for _, result := range s.Verify(digest) {
		if result.Err != nil {
			t.Error(result.Err)
		}
	}
}
