package smime

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// openssl runs the openssl program on input.
func openssl(t *testing.T, input string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testnet.Require(t, "openssl"), args...)
	cmd.Stdin = strings.NewReader(input)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, problems.String())
	}
	return out.String()
}

func file(name string) string { return filepath.Join("testdata", name) }

func TestOpenSSLReadsWhatWeWrite(t *testing.T) {
	for _, program := range []string{"cms", "smime"} {
		for _, n := range []int{100, 300_000} {
			content := text(n)
			sealed := seal(t, Wrap(source(content)))
			entity := openssl(t, sealed, program, "-decrypt", "-recip", file("bob.crt"), "-inkey", file("bob.key"))
			got := openssl(t, entity, program, "-verify", "-CAfile", file("alice.crt"), "-purpose", "any")
			if want := "Content-Type: message/rfc822\r\n\r\n" + content; got != want {
				t.Errorf("%s: content of %d octets, want %d", program, len(got), len(want))
			}
		}
	}
}

func TestOpenReadsWhatOpenSSLWrites(t *testing.T) {
	signs := map[string][]string{
		"detached":               {"cms", "-sign"},
		"detached, CRLF":         {"cms", "-sign", "-crlfeol"},
		"detached, binary":       {"cms", "-sign", "-binary"},
		"detached, stream":       {"cms", "-sign", "-stream"},
		"detached, SHA-384":      {"cms", "-sign", "-md", "sha384"},
		"detached, SHA-512":      {"cms", "-sign", "-md", "sha512"},
		"detached, key id":       {"cms", "-sign", "-keyid"},
		"opaque":                 {"cms", "-sign", "-nodetach"},
		"opaque, CRLF":           {"cms", "-sign", "-nodetach", "-crlfeol"},
		"opaque, stream":         {"cms", "-sign", "-nodetach", "-stream", "-binary"},
		"opaque, SHA-512":        {"cms", "-sign", "-nodetach", "-md", "sha512"},
		"smime, detached":        {"smime", "-sign"},
		"smime, detached, CRLF":  {"smime", "-sign", "-crlfeol"},
		"smime, opaque":          {"smime", "-sign", "-nodetach"},
		"smime, opaque, stream":  {"smime", "-sign", "-nodetach", "-stream"},
		"smime, stream, SHA-256": {"smime", "-sign", "-stream", "-md", "sha256"},
	}
	encrypts := map[string][]string{
		"cms":         {"cms", "-encrypt", "-aes-256-cbc"},
		"cms, stream": {"cms", "-encrypt", "-aes-128-cbc", "-stream", "-binary"},
		"cms, CRLF":   {"cms", "-encrypt", "-aes-192-cbc", "-crlfeol"},
		"smime":       {"smime", "-encrypt", "-aes-256-cbc"},
	}
	for _, n := range []int{100, 150_000} {
		content := text(n)
		for sign, signArgs := range signs {
			signed := openssl(t, content, append(signArgs, "-signer", file("alice.crt"), "-inkey", file("alice.key"))...)
			for enc, encArgs := range encrypts {
				sealed := openssl(t, signed, append(encArgs, file("bob.crt"))...)
				t.Run(sign+"/"+enc, func(t *testing.T) { checkOpens(t, sealed, content) })
			}
		}
	}
}

func checkOpens(t *testing.T, sealed, content string) {
	t.Helper()
	o, err := open(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Signatures) != 1 || o.Signatures[0].Err != nil || !o.Signatures[0].Certificate.Equal(certificate(t, "alice")) {
		t.Fatalf("%+v", o.Signatures)
	}
	if got := readContent(t, o); got != content {
		t.Errorf("content of %d octets, want %d", len(got), len(content))
	}
}

func TestOpenReadsBinaryBodies(t *testing.T) {
	content := text(1000)
	signed := openssl(t, content, "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", file("alice.crt"), "-inkey", file("alice.key"))
	inside := "Content-Type: application/pkcs7-mime; name=smime.p7m\r\nContent-Transfer-Encoding: binary\r\n\r\n" + signed
	sealed := openssl(t, inside, "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", file("bob.crt"))
	checkOpens(t, "Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: binary\n\n"+sealed, content)
}

func TestSignedAloneIsNotEncrypted(t *testing.T) {
	der := openssl(t, text(10), "cms", "-sign", "-nodetach", "-outform", "DER", "-signer", file("alice.crt"), "-inkey", file("alice.key"))
	_, err := open(t, "Content-Type: application/pkcs7-mime\r\n\r\n"+der)
	if err == nil || !strings.Contains(err.Error(), ErrNotEncrypted.Error()) {
		t.Errorf("error %v", err)
	}
}
