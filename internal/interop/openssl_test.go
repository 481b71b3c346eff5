package interop

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// TestInteropOpenSSLReadsUs has OpenSSL decrypt and verify what postern seal
// wrote.
func TestInteropOpenSSLReadsUs(t *testing.T) {
	testnet.Require(t, "openssl")
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	bob, carol := newParty(t, root.Leaf("bob@b.example")), newParty(t, root.Leaf("c.example"))
	a := newSite(t, "a.example", setup{
		users: []string{"alice@a.example"}, keys: []*testnet.Identity{root.Leaf("a.example")}, anchors: []*testnet.Identity{root},
	})
	rootFile := writeFile(t, filepath.Join(t.TempDir(), "root.pem"), string(testnet.PEM(root.Cert)))
	usual, err := os.ReadFile(a.config())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ program, transport, shown string }{
		{"cms", "rsa-oaep-sha256", "algorithm: rsaesOaep"},
		{"smime", "rsa-v1.5", "algorithm: rsaEncryption"}, // PKCS #7 knows no other
	} {
		a.write("postern.toml", string(usual)+fmt.Sprintf("[seal]\nkey_transport = %q\n", tt.transport))
		for _, size := range []int{0, 10 << 10, 1 << 20} {
			message := record("alice@a.example", "bob@b.example", fmt.Sprintf("<%d@a.example>", size), size)
			sealed := a.must(message, "seal", "--from", "alice@a.example", "--to", "bob@b.example", "--to", "carol@c.example",
				"--cert", bob.cert, "--cert", carol.cert)
			for _, to := range []party{bob, carol} {
				entity := peer(t, sealed, "openssl", tt.program, "-decrypt", "-recip", to.cert, "-inkey", to.key)
				checkSignedEntity(t, entity)
				got := peer(t, entity, "openssl", tt.program, "-verify", "-CAfile", rootFile)
				if want := "Content-Type: message/rfc822\r\n\r\n" + message; got != want {
					t.Errorf("openssl %s, %d octets: %s", tt.program, size, cmp.Diff(want, got))
				}
			}
			checkEnvelope(t, sealed, tt.shown)
		}
	}
}

// checkSignedEntity looks at the header of what was encrypted (AS-45).
func checkSignedEntity(t *testing.T, entity string) {
	t.Helper()
	head, _, _ := strings.Cut(crlf(entity), "\r\n\r\n")
	for _, want := range []string{"multipart/signed", `protocol="application/pkcs7-signature"`, "micalg=sha-256"} {
		if !strings.Contains(head, want) {
			t.Errorf("the signed entity lacks %s:\n%s", want, head)
		}
	}
}

// checkEnvelope looks at the smime.p7m as OpenSSL parses it.
func checkEnvelope(t *testing.T, sealed, transport string) {
	t.Helper()
	head, body, _ := strings.Cut(sealed, "\r\n\r\n")
	for _, want := range []string{"application/pkcs7-mime; smime-type=enveloped-data", `filename="smime.p7m"`} {
		if !strings.Contains(head, want) {
			t.Errorf("the outer header lacks %s:\n%s", want, head)
		}
	}
	der, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		t.Fatalf("the body is not base64: %v", err)
	}
	printed := peer(t, string(der), "openssl", "cms", "-cmsout", "-print", "-inform", "DER")
	for _, want := range []string{"pkcs7-envelopedData", "aes-256-cbc", transport} {
		if !strings.Contains(printed, want) {
			t.Errorf("OpenSSL sees no %s:\n%s", want, tail(printed))
		}
	}
	// Indefinite lengths are BER; and what is DER comes out as it went in.
	if strings.Contains(peer(t, string(der), "openssl", "asn1parse", "-inform", "DER"), "l=inf") {
		t.Error("the envelope has an indefinite length")
	}
	if again := peer(t, string(der), "openssl", "cms", "-cmsout", "-inform", "DER", "-outform", "DER"); again != string(der) {
		t.Error("the envelope is not DER: OpenSSL writes it differently")
	}
}
