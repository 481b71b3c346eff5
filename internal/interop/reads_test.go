package interop

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// A reader is a site with what others need to write to it.
type reader struct {
	*site
	bob, carol party // recipients, the second by its domain
	alice      party // the far sender
	mallory    party // of the same authority
	stranger   party // of an authority that nobody trusts
}

func newReader(t *testing.T) *reader {
	pki := testnet.NewPKI(t, time.Now())
	// RSA, for gpgsm.
	root, other := pki.Root("interop root", testnet.RSA(2048)), pki.Root("other root")
	keyID := testnet.Template(func(c *x509.Certificate) { c.SubjectKeyId = []byte("alice's key") })
	r := &reader{
		bob: newParty(t, root.Leaf("bob@b.example")), carol: newParty(t, root.Leaf("b.example")),
		alice: newParty(t, root.Leaf("alice@a.example", keyID)), mallory: newParty(t, root.Leaf("mallory@a.example")),
		stranger: newParty(t, other.Leaf("alice@a.example")),
	}
	r.site = newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"},
		keys:  []*testnet.Identity{r.bob.Identity, r.carol.Identity}, anchors: []*testnet.Identity{root},
	})
	return r
}

// A verdict is what postern open prints on standard error.
type verdict struct {
	Verdict, Reason string
	Recipients      []struct{ Address, Verdict string }
}

// open runs postern open for the message as SMTP brought it.
func (r *reader) open(t *testing.T, sealed string, args ...string) (verdict, ending) {
	t.Helper()
	if !slices.Contains(args, "--mail-from") {
		args = append([]string{"--mail-from", "alice@a.example"}, args...)
	}
	e := r.run(sealed, append([]string{"--json", "open", "--to", "bob@b.example"}, args...)...)
	var v verdict
	err := json.Unmarshal([]byte(e.stderr), &v)
	if err != nil {
		t.Fatalf("exit code %d, no verdict: %v\n%s", e.code, err, e.stderr)
	}
	return v, e
}

// accepts checks that the message opens and is what was sent.
func (r *reader) accepts(t *testing.T, sealed, want string, args ...string) {
	t.Helper()
	v, e := r.open(t, sealed, args...)
	if e.code != 0 || v.Verdict != "accepted" || v.Reason != "ok" {
		t.Fatalf("exit code %d\n%s", e.code, e.stderr)
	}
	if e.stdout != want {
		t.Errorf("another message came out: %s", cmp.Diff(want, e.stdout))
	}
}

// refuses checks that the message is refused for one of the reasons, and that
// none of it comes out.
func (r *reader) refuses(t *testing.T, sealed string, reasons []string, args ...string) {
	t.Helper()
	v, e := r.open(t, sealed, args...)
	if e.code != 1 || v.Verdict != "refused" || !slices.Contains(reasons, v.Reason) {
		t.Errorf("exit code %d, %s for %s, want refused for %v", e.code, v.Verdict, v.Reason, reasons)
	}
	if e.stdout != "" {
		t.Errorf("a refused message came out: %q", tail(e.stdout))
	}
}

// envelopeFields are the fields that openssl puts before what it encrypts.
var envelopeFields = []string{"-from", "alice@a.example", "-to", "bob@b.example"}

// sign has OpenSSL sign an entity.
func (p party) sign(t *testing.T, entity, program string, args ...string) string {
	t.Helper()
	return peer(t, entity, "openssl", slices.Concat([]string{program, "-sign", "-signer", p.cert, "-inkey", p.key}, args)...)
}

// encrypt has OpenSSL encrypt an entity to the recipients, whose options stand
// behind each.
func encrypt(t *testing.T, entity, program string, args []string, to ...[]string) string {
	t.Helper()
	all := slices.Concat([]string{program, "-encrypt"}, envelopeFields, args)
	return peer(t, entity, "openssl", slices.Concat(all, slices.Concat(to...))...)
}

// wrap puts a message into a message/rfc822 entity.
func wrap(message string) string { return "Content-Type: message/rfc822\r\n\r\n" + message }

// TestInteropReadsOpenSSL opens what OpenSSL can write, one way after another.
func TestInteropReadsOpenSSL(t *testing.T) {
	testnet.Require(t, "openssl")
	r := newReader(t)
	message := record("alice@a.example", "bob@b.example", "<1@a.example>", 20<<10)
	oaep := func(hash string) []string {
		return []string{"-recip", r.bob.cert, "-keyopt", "rsa_padding_mode:oaep", "-keyopt", "rsa_oaep_md:" + hash}
	}
	bob := []string{r.bob.cert}
	for _, c := range []struct {
		name          string
		signProgram   string
		sign          []string
		cryptoProgram string
		encrypt       []string
		to            []string
	}{
		{"detached, DER", "cms", nil, "cms", []string{"-aes-256-cbc", "-noindef"}, bob},
		{"detached, BER streamed", "cms", []string{"-stream"}, "cms", []string{"-aes-256-cbc", "-stream"}, bob},
		{"detached, CRLF", "cms", []string{"-crlfeol"}, "cms", []string{"-aes-256-cbc", "-crlfeol"}, bob},
		{"detached, CRLF, binary", "cms", []string{"-crlfeol"}, "cms", []string{"-aes-256-cbc", "-binary"}, bob},
		{"detached, LF inside, binary", "cms", nil, "cms", []string{"-aes-256-cbc", "-binary"}, bob},
		{"opaque", "cms", []string{"-nodetach"}, "cms", []string{"-aes-256-cbc"}, bob},
		{"opaque, CRLF", "cms", []string{"-nodetach", "-crlfeol"}, "cms", []string{"-aes-256-cbc", "-crlfeol"}, bob},
		{"opaque, BER streamed", "cms", []string{"-nodetach", "-stream"}, "cms", []string{"-aes-256-cbc", "-stream"}, bob},
		{"AES-128", "cms", nil, "cms", []string{"-aes-128-cbc"}, bob},
		{"AES-192", "cms", nil, "cms", []string{"-aes-192-cbc"}, bob},
		{"SHA-384", "cms", []string{"-md", "sha384"}, "cms", []string{"-aes-256-cbc"}, bob},
		{"SHA-512", "cms", []string{"-md", "sha512"}, "cms", []string{"-aes-256-cbc"}, bob},
		{"SHA-512, opaque", "cms", []string{"-md", "sha512", "-nodetach"}, "cms", []string{"-aes-256-cbc"}, bob},
		{"signer by key identifier", "cms", []string{"-keyid"}, "cms", []string{"-aes-256-cbc"}, bob},
		{"OAEP with SHA-1", "cms", nil, "cms", []string{"-aes-256-cbc"}, []string{"-recip", r.bob.cert, "-keyopt", "rsa_padding_mode:oaep"}},
		{"OAEP with SHA-256", "cms", nil, "cms", []string{"-aes-256-cbc"}, oaep("sha256")},
		{"OAEP with SHA-512", "cms", nil, "cms", []string{"-aes-256-cbc", "-stream"}, oaep("sha512")},
		{"two recipients", "cms", nil, "cms", []string{"-aes-256-cbc"}, []string{r.mallory.cert, r.bob.cert}},
		{"to the domain", "cms", nil, "cms", []string{"-aes-256-cbc"}, []string{r.carol.cert}},
		{"smime", "smime", nil, "smime", []string{"-aes256"}, bob},
		{"smime, streamed", "smime", []string{"-stream"}, "smime", []string{"-aes128", "-stream"}, bob},
		{"smime, opaque", "smime", []string{"-nodetach"}, "smime", []string{"-aes256"}, bob},
		{"smime, CRLF, SHA-384", "smime", []string{"-crlfeol", "-md", "sha384"}, "smime", []string{"-aes192", "-crlfeol"}, bob},
	} {
		t.Run(c.name, func(t *testing.T) {
			for form, input := range map[string]string{"from CRLF": wrap(message), "from LF": lf(wrap(message))} {
				signed := r.alice.sign(t, input, c.signProgram, c.sign...)
				sealed := encrypt(t, signed, c.cryptoProgram, c.encrypt, c.to)
				t.Run(form, func(t *testing.T) {
					r.accepts(t, sealed, message)
					r.accepts(t, crlf(sealed), message) // as SMTP brings it
				})
			}
		})
	}
}

// TestInteropReadsUnwrapped opens messages whose outer header is the header
// (AS-43), once the configuration lets it (AS-42).
func TestInteropReadsUnwrapped(t *testing.T) {
	testnet.Require(t, "openssl")
	r := newReader(t)
	text, err := os.ReadFile(r.config())
	if err != nil {
		t.Fatal(err)
	}
	body := "A record that travels without a wrapping.\r\n"
	entity := "Content-Type: text/plain; charset=us-ascii\r\n\r\n" + body
	for name, options := range map[string][]string{"detached": nil, "opaque": {"-nodetach"}} {
		t.Run(name, func(t *testing.T) {
			sealed := encrypt(t, r.alice.sign(t, entity, "cms", options...), "cms", []string{"-aes-256-cbc", "-subject", "Summary of care"}, []string{r.bob.cert})
			r.write("postern.toml", string(text))
			v, _ := r.open(t, crlf(sealed))
			if v.Verdict != "refused" || v.Reason != "not-wrapped" {
				t.Errorf("without the key: %s, %s", v.Verdict, v.Reason)
			}
			r.write("postern.toml", string(text)+"[trust]\naccept_unwrapped = true\n")
			v, e := r.open(t, crlf(sealed))
			if e.code != 0 || v.Verdict != "accepted" {
				t.Fatalf("exit code %d\n%s", e.code, e.stderr)
			}
			head, got, _ := strings.Cut(e.stdout, "\r\n\r\n")
			if got != body {
				t.Errorf("the body is %q", got)
			}
			for _, want := range []string{"To: bob@b.example", "From: alice@a.example", "Subject: Summary of care", "Content-Type: text/plain; charset=us-ascii"} {
				if !strings.Contains(head+"\r\n", want+"\r\n") {
					t.Errorf("the header lacks %q:\n%s", want, head)
				}
			}
			if strings.Contains(head, "pkcs7") {
				t.Errorf("the header still tells of the envelope:\n%s", head)
			}
		})
	}
}

// TestInteropReadsTwoRecipients has both of ours open one message.
func TestInteropReadsTwoRecipients(t *testing.T) {
	testnet.Require(t, "openssl")
	r := newReader(t)
	message := strings.Replace(record("alice@a.example", "bob@b.example", "<2@a.example>", 100),
		"\r\nSubject:", ", <carol@b.example>\r\nSubject:", 1)
	signed := r.alice.sign(t, wrap(message), "cms")
	for name, to := range map[string][]string{"each": {r.bob.cert, r.carol.cert}, "the domain alone": {r.carol.cert}} {
		t.Run(name, func(t *testing.T) {
			sealed := encrypt(t, signed, "cms", []string{"-aes-256-cbc"}, to)
			r.accepts(t, sealed, message, "--to", "carol@b.example")
		})
	}
}

// TestInteropReadsGpgsm opens what gpgsm signed and encrypted.
func TestInteropReadsGpgsm(t *testing.T) {
	testnet.Require(t, "openssl")
	testnet.Require(t, "gpgsm")
	r := newReader(t)
	g := newGnuPG(t, r.alice)
	g.run(t, "", "--import", r.bob.cert)
	message := record("alice@a.example", "bob@b.example", "<3@a.example>", 20<<10)
	entity := wrap(message)
	opaque := g.run(t, entity, "--digest-algo", "SHA512", "--local-user", "alice@a.example", "--sign")
	detached := g.run(t, entity, "--digest-algo", "SHA256", "--local-user", "alice@a.example", "--detach-sign")
	for name, signed := range map[string]string{
		"opaque": "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(opaque),
		"detached": "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b\r\n\r\n--b\r\n" +
			entity + "\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64Lines(detached) + "\r\n--b--\r\n",
	} {
		for _, cipher := range []string{"AES", "AES192", "AES256"} {
			t.Run(name+", "+cipher, func(t *testing.T) {
				enveloped := g.run(t, signed, "--cipher-algo", cipher, "--recipient", "bob@b.example", "--encrypt")
				r.accepts(t, "From: alice@a.example\r\nTo: bob@b.example\r\nMIME-Version: 1.0\r\n"+
					"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"+base64Lines(enveloped), message)
			})
		}
	}
}

func base64Lines(data string) string {
	text := base64.StdEncoding.EncodeToString([]byte(data))
	var b strings.Builder
	for line := range slices.Chunk([]byte(text), 76) {
		b.Write(line)
		b.WriteString("\r\n")
	}
	return b.String()
}

// TestInteropRefusals has what must not be believed, made by OpenSSL.
func TestInteropRefusals(t *testing.T) {
	testnet.Require(t, "openssl")
	r := newReader(t)
	message := record("alice@a.example", "bob@b.example", "<4@a.example>", 10<<10)
	bob := []string{r.bob.cert}
	aes := []string{"-aes-256-cbc"}
	good := encrypt(t, r.alice.sign(t, wrap(message), "cms"), "cms", aes, bob)
	r.accepts(t, good, message)
	year := time.Now().AddDate(2, 0, 0).UTC().Format(time.RFC3339)
	for _, c := range []struct {
		name, sealed string
		reasons      []string
		args         []string
	}{
		{"wrong signer", encrypt(t, r.mallory.sign(t, wrap(message), "cms"), "cms", aes, bob), []string{"sender-mismatch"}, nil},
		{"untrusted signer", encrypt(t, r.stranger.sign(t, wrap(message), "cms"), "cms", aes, bob), []string{"untrusted-anchor"}, nil},
		{"unsigned", encrypt(t, wrap(message), "cms", aes, bob), []string{"not-signed"}, nil},
		{"signed only", r.alice.sign(t, wrap(message), "cms", envelopeFields...), []string{"not-encrypted"}, nil},
		{"signed only, opaque", r.alice.sign(t, wrap(message), "cms", append(envelopeFields, "-nodetach")...), []string{"not-encrypted"}, nil},
		{"plain", message, []string{"not-encrypted"}, nil},
		{"expired then", good, []string{"expired"}, []string{"--at", year}},
		{"not yet then", good, []string{"not-yet-valid"}, []string{"--at", "2020-01-01T00:00:00Z"}},
		{"SHA-1", encrypt(t, r.alice.sign(t, wrap(message), "cms", "-md", "sha1"), "cms", aes, bob), []string{"weak-algorithm"}, nil},
		{"MD5", encrypt(t, r.alice.sign(t, wrap(message), "cms", "-md", "md5"), "cms", aes, bob), []string{"weak-algorithm"}, nil},
		{"triple DES", encrypt(t, r.alice.sign(t, wrap(message), "cms"), "cms", []string{"-des3"}, bob), []string{"unsupported-algorithm"}, nil},
		{"to somebody else", encrypt(t, r.alice.sign(t, wrap(message), "cms"), "cms", aes, []string{r.mallory.cert}), []string{"undecryptable"}, nil},
		{"another reverse-path", good, []string{"tampered-routing"}, []string{"--mail-from", "mallory@a.example"}},
		{"another recipient", good, []string{"tampered-routing"}, []string{"--to", "carol@b.example"}},
	} {
		t.Run(c.name, func(t *testing.T) { r.refuses(t, c.sealed, c.reasons, c.args...) })
	}
	t.Run("bit flips", func(t *testing.T) {
		head, body, _ := strings.Cut(crlf(good), "\r\n\r\n")
		der, err := base64.StdEncoding.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		refused := 0
		for at := len(der) - 1; at > 0; at -= len(der) / 23 {
			flipped := slices.Clone(der)
			flipped[at] ^= 1 << (at % 8)
			_, e := r.open(t, head+"\r\n\r\n"+base64Lines(string(flipped)))
			// A few octets are not signed, such as the preamble of multipart/signed.
			switch {
			case e.code == 1 && e.stdout == "":
				refused++
			case e.code != 0 || e.stdout != message:
				t.Errorf("octet %d of %d: exit code %d, %d octets came out", at, len(der), e.code, len(e.stdout))
			}
		}
		if refused < 15 {
			t.Errorf("only %d changed messages were refused", refused)
		}
	})
	t.Run("signed text changed", func(t *testing.T) {
		signed := strings.Replace(r.alice.sign(t, wrap(message), "cms"), "quick brown", "quick black", 1)
		r.refuses(t, encrypt(t, signed, "cms", aes, bob), []string{"bad-signature"})
	})
}
