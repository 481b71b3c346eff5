package interop

import (
	"bufio"
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
)

// A sealing is a way to seal that the configuration offers.
type sealing struct{ profile, cipher, transport string }

// oaep reports whether content keys for RSA are wrapped by RSA-OAEP.
func (s sealing) oaep() bool {
	return s.transport == "rsa-oaep-sha256" || s.transport == "profile" && s.profile == "1.3"
}

func (s sealing) String() string { return s.profile + " " + s.cipher + " " + s.transport }

// sealings are the usual way of either profile, and every other that may be set.
func sealings() []sealing {
	all := []sealing{{"1.2", "aes-256-cbc", "profile"}, {"1.3", "aes-256-cbc", "profile"}}
	for _, cipher := range []string{"aes-256-cbc", "aes-128-cbc", "aes-256-gcm", "aes-128-gcm"} {
		for _, transport := range []string{"rsa-v1.5", "rsa-oaep-sha256"} {
			all = append(all, sealing{"1.3", cipher, transport})
		}
	}
	return all
}

// An opener is a peer that decrypts what we sealed and verifies what we signed.
type opener interface {
	// can reports whether the peer knows this way of sealing to such a key.
	can(s sealing, key string) bool
	// open returns the message that was wrapped.
	open(t *testing.T, sealed string, to party) string
}

// TestInteropPeersOpenWhatWeSeal has OpenSSL, BouncyCastle and gpgsm open what
// postern seal writes (AS-30, AS-32, AS-33, AS-44, AS-45, AS-49).
func TestInteropPeersOpenWhatWeSeal(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("sealed root", testnet.RSA(2048)) // gpgsm knows RSA alone
	parties := map[string]party{
		"rsa":  newParty(t, root.Leaf("rsa@b.example")),
		"p256": newParty(t, root.Leaf("p256@b.example", testnet.EC(elliptic.P256()))),
		"p384": newParty(t, root.Leaf("p384@b.example", testnet.EC(elliptic.P384()))),
		"p521": newParty(t, root.Leaf("p521@b.example", testnet.EC(elliptic.P521()))),
	}
	a := newSite(t, "a.example", setup{
		users: []string{"alice@a.example"}, keys: []*testnet.Identity{root.Leaf("a.example")}, anchors: []*testnet.Identity{root},
	})
	usual, err := os.ReadFile(a.config())
	if err != nil {
		t.Fatal(err)
	}
	openers := map[string]opener{
		"openssl": newOpenSSL(t, root), "bouncycastle": newBouncy(t), "gpgsm": gpgsmOpener{newGnuPG(t, parties["rsa"])},
	}
	for _, s := range sealings() {
		a.write("postern.toml", string(usual)+fmt.Sprintf("[trust]\nprofile = %q\n[seal]\ncipher = %q\nkey_transport = %q\n", s.profile, s.cipher, s.transport))
		for key, to := range parties {
			sealOne(t, a, openers, s, key, to)
		}
		if s.transport == "rsa-oaep-sha256" { // once for each cipher
			sealAll(t, a, openers, s, parties)
		}
	}
}

// sealOne seals to one recipient and has every peer open it that can.
func sealOne(t *testing.T, a *site, openers map[string]opener, s sealing, key string, to party) {
	t.Helper()
	address := key + "@b.example"
	message := record("alice@a.example", address, "<sealed@a.example>", 10<<10)
	sealed := a.must(message, "seal", "--from", "alice@a.example", "--to", address, "--cert", to.cert)
	checkAlgorithms(t, sealed, s, key)
	for name, o := range openers {
		if !o.can(s, key) {
			continue
		}
		t.Run(fmt.Sprintf("%s/%s to %s", name, s, key), func(t *testing.T) {
			if diff := cmp.Diff(message, o.open(t, sealed, to)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// checkAlgorithms has OpenSSL tell whether the configuration was followed.
func checkAlgorithms(t *testing.T, sealed string, s sealing, key string) {
	t.Helper()
	printed := strings.ToLower(peer(t, body(t, sealed), "openssl", "cms", "-cmsout", "-print", "-inform", "DER"))
	transport := map[bool]string{true: "rsaesoaep", false: "rsaencryption"}[s.oaep()]
	if key != "rsa" {
		transport = "dhsinglepass-stddh"
	}
	for _, want := range []string{s.cipher, transport} {
		if !strings.Contains(printed, want) {
			t.Errorf("%s to %s: OpenSSL sees no %s", s, key, want)
		}
	}
}

// sealAll seals once to recipients with keys of every kind, and has OpenSSL and
// BouncyCastle open it as each of them.
func sealAll(t *testing.T, a *site, openers map[string]opener, s sealing, parties map[string]party) {
	t.Helper()
	message := record("alice@a.example", "rsa@b.example", "<sealed@a.example>", 10<<10)
	args := []string{"seal", "--from", "alice@a.example"}
	for key, to := range parties {
		args = append(args, "--to", key+"@b.example", "--cert", to.cert)
	}
	sealed := a.must(message, args...)
	for key, to := range parties {
		for _, name := range []string{"openssl", "bouncycastle"} {
			if !openers[name].can(s, key) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s to all, %s opens", name, s, key), func(t *testing.T) {
				if diff := cmp.Diff(message, openers[name].open(t, sealed, to)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// unwrapped takes the wrapper off a signed entity.
func unwrapped(t *testing.T, content string) string {
	t.Helper()
	message, ok := strings.CutPrefix(content, mime.WrapPrefix)
	if !ok {
		t.Fatalf("not wrapped:\n%s", tail(content))
	}
	return message
}

// signedParts takes a multipart/signed apart: its content and the SignedData.
func signedParts(t *testing.T, entity string) (content, signature string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(entity))
	header, err := mime.ReadHeader(r, mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	media, err := header.ContentType()
	if err != nil {
		t.Fatal(err)
	}
	var first bytes.Buffer
	part, err := mime.SplitSigned(r, media.Params["boundary"], &first)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := mime.DecodeTransfer(part.Header, bytes.NewReader(part.Body))
	if err != nil {
		t.Fatal(err)
	}
	der, err := io.ReadAll(decoded)
	if err != nil {
		t.Fatal(err)
	}
	return first.String(), string(der)
}

// body is the CMS of a sealed message.
func body(t *testing.T, sealed string) string {
	t.Helper()
	_, text, _ := strings.Cut(sealed, "\r\n\r\n")
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(der)
}

// opensslPeer opens all that we write.
type opensslPeer struct{ root string }

func newOpenSSL(t *testing.T, root *testnet.Identity) opensslPeer {
	t.Helper()
	testnet.Require(t, "openssl")
	return opensslPeer{writeFile(t, filepath.Join(t.TempDir(), "root.pem"), string(testnet.PEM(root.Cert)))}
}

func (opensslPeer) can(sealing, string) bool { return true }

func (o opensslPeer) open(t *testing.T, sealed string, to party) string {
	entity := peer(t, sealed, "openssl", "cms", "-decrypt", "-recip", to.cert, "-inkey", to.key)
	checkSignedEntity(t, entity)
	return unwrapped(t, peer(t, entity, "openssl", "cms", "-verify", "-CAfile", o.root))
}

// gpgsmOpener has the key of one recipient.
type gpgsmOpener struct{ gnupg }

// can: gpgsm 2.2 has neither RSA-OAEP nor AES-GCM, and a key of RSA here.
func (gpgsmOpener) can(s sealing, key string) bool {
	return key == "rsa" && !s.oaep() && strings.HasSuffix(s.cipher, "-cbc")
}

func (g gpgsmOpener) open(t *testing.T, sealed string, _ party) string {
	content, signature := signedParts(t, g.run(t, body(t, sealed), "--decrypt"))
	dir := t.TempDir()
	g.run(t, "", "--verify", writeFile(t, filepath.Join(dir, "sig"), signature), writeFile(t, filepath.Join(dir, "content"), content))
	return unwrapped(t, content)
}

// bouncy is BouncyCastle in a Java process that answers line by line.
type bouncy struct {
	in  io.Writer
	out *bufio.Reader
	dir string
}

// peerJava is the program of the fixture kit that speaks for BouncyCastle.
const peerJava = "../../testdata/kit/Peer.java"

func newBouncy(t *testing.T) *bouncy {
	t.Helper()
	// A single source file is run by the compiler's module.
	testnet.Require(t, "javac")
	java := testnet.Require(t, "java")
	var jars []string
	for _, name := range []string{"bcprov", "bcpkix", "bcutil"} {
		jar := filepath.Join("/usr/share/java", name+".jar")
		_, err := os.Stat(jar)
		switch {
		case err == nil:
			jars = append(jars, jar)
		case os.Getenv("CI") != "":
			t.Fatalf("BouncyCastle is not installed: %v", err)
		default:
			t.Skipf("BouncyCastle is not installed: %v", err)
		}
	}
	cmd := exec.CommandContext(t.Context(), java, "-cp", strings.Join(jars, ":"), peerJava)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &bouncy{in, bufio.NewReader(out), t.TempDir()}
}

func (*bouncy) can(sealing, string) bool { return true }

func (b *bouncy) open(t *testing.T, sealed string, to party) string {
	enveloped, entity := writeFile(t, filepath.Join(b.dir, "enveloped"), body(t, sealed)), filepath.Join(b.dir, "entity")
	b.run(t, "decrypt", entity, enveloped, to.cert, to.key)
	text, err := os.ReadFile(entity)
	if err != nil {
		t.Fatal(err)
	}
	content, signature := signedParts(t, string(text))
	b.run(t, "check", writeFile(t, filepath.Join(b.dir, "content"), content), writeFile(t, filepath.Join(b.dir, "signature"), signature))
	return unwrapped(t, content)
}

func (b *bouncy) run(t *testing.T, words ...string) {
	t.Helper()
	_, err := fmt.Fprintln(b.in, strings.Join(words, "\t"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.out.ReadString('\n')
	if err != nil || answer != "ok\n" {
		t.Fatalf("BouncyCastle: %s: %s %v", words[0], answer, err)
	}
}
