package sta

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

func TestAS54_InnerHeaderCounts(t *testing.T) {
	r := newRig(t)
	o := r.open(r.wrapped(usual()))
	equal(t, "verdict", codes(o), []string{"ok"})
	equal(t, "sender", o.Sender.String(), "alice@a.example")
	equal(t, "To", o.Header.Get("To"), "bob@b.example")
	equal(t, "message", read(t, o), crlf(usual()))
	if !o.Wrapped || o.Verdicts[0].Signer == nil || !o.Verdicts[0].Trust.Anchor.Equal(r.root.Cert) {
		t.Errorf("%+v", o.Verdicts[0])
	}
}

// AS-55, AS-56: the envelope and the signed header must agree.
func TestAS55_AS56_RoutingTamper(t *testing.T) {
	copyToAll := plain("From: alice@a.example", "To: Bob <bob@b.example>", "Cc: team: ben@b.example;")
	for name, tt := range map[string]struct {
		from    string
		to      []string
		message string
		want    string
	}{
		"as signed":                {"alice@a.example", []string{"bob@b.example"}, usual(), "ok"},
		"case":                     {"ALICE@A.example", []string{"BOB@b.EXAMPLE"}, usual(), "ok"},
		"null reverse-path":        {"", []string{"bob@b.example"}, usual(), "ok"},
		"a member of a group":      {"alice@a.example", []string{"bob@b.example", "ben@b.example"}, copyToAll, "ok"},
		"another MAIL FROM":        {"mallory@m.example", []string{"bob@b.example"}, usual(), "tampered-routing"},
		"colleague as MAIL FROM":   {"carol@a.example", []string{"bob@b.example"}, usual(), "tampered-routing"},
		"recipient added":          {"alice@a.example", []string{"bob@b.example", "mallory@b.example"}, usual(), "tampered-routing"},
		"recipient replaced":       {"alice@a.example", []string{"mallory@b.example"}, usual(), "tampered-routing"},
		"only in Bcc":              {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "Bcc: bob@b.example"), "tampered-routing"},
		"only in Reply-To":         {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "To: c@b.example", "Reply-To: bob@b.example"), "tampered-routing"},
		"only as a display name":   {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", `To: "bob@b.example" <c@b.example>`), "tampered-routing"},
		"only in a comment":        {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "To: c@b.example (bob@b.example)"), "tampered-routing"},
		"To that cannot be read":   {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "To: bob@b.example, <"), "tampered-routing"},
		"MAIL FROM is Sender":      {"carol@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "Sender: carol@a.example", "To: bob@b.example"), "ok"},
		"in the second To":         {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example", "To: c@b.example", "To: bob@b.example"), "ok"},
		"in the body alone":        {"alice@a.example", []string{"bob@b.example"}, plain("From: alice@a.example") + "To: bob@b.example\n", "tampered-routing"},
		"From is of no use either": {"alice@a.example", []string{"bob@b.example"}, plain("To: bob@b.example"), "sender-mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.envelope = &Envelope{}
			if tt.from != "" {
				r.envelope.MailFrom = addr(t, tt.from)
			}
			for _, a := range tt.to {
				r.envelope.RcptTo = append(r.envelope.RcptTo, addr(t, a))
			}
			equal(t, "v1.3", codes(r.open(r.wrapped(tt.message))), []string{tt.want})
			r.profile = trust.V12
			if tt.want == "tampered-routing" {
				equal(t, "v1.2", codes(r.open(r.wrapped(tt.message))), []string{"ok"})
			}
		})
	}
}

// AS-63, AS-65: the signer speaks for the sender, or the message is refused.
func TestAS63_AS65_SignerBinding(t *testing.T) {
	for name, tt := range map[string]struct {
		signer  string
		message string
		want    string
	}{
		"domain":                        {"a.example", usual(), "ok"},
		"address":                       {"alice@a.example", usual(), "ok"},
		"another domain":                {"m.example", usual(), "sender-mismatch"},
		"a colleague":                   {"carol@a.example", usual(), "sender-mismatch"},
		"the parent domain":             {"example", usual(), "sender-mismatch"},
		"a child domain":                {"x.a.example", usual(), "sender-mismatch"},
		"the recipient":                 {"b.example", usual(), "sender-mismatch"},
		"no From":                       {"a.example", plain("To: bob@b.example"), "sender-mismatch"},
		"empty From":                    {"a.example", plain("From:", "To: bob@b.example"), "sender-mismatch"},
		"two From fields":               {"a.example", plain("From: alice@a.example", "From: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"two Sender fields":             {"a.example", plain("From: alice@a.example", "Sender: alice@a.example", "Sender: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"From of no address":            {"a.example", plain("From: alice", "To: bob@b.example"), "sender-mismatch"},
		"group of one as From":          {"a.example", plain("From: team: alice@a.example;", "To: bob@b.example"), "ok"},
		"From hidden in a display name": {"m.example", plain(`From: "alice@a.example" <alice@m.example>`, "To: bob@b.example"), "ok"},
		"Sender cannot replace From":    {"m.example", plain("From: alice@a.example", "Sender: mallory@m.example", "To: bob@b.example"), "sender-mismatch"},
		"two authors, no Sender":        {"a.example", plain("From: alice@a.example, carol@a.example", "To: bob@b.example"), "sender-mismatch"},
		"two authors of one domain":     {"a.example", plain("From: alice@a.example, carol@a.example", "Sender: carol@a.example", "To: bob@b.example"), "ok"},
		"an author of another domain":   {"a.example", plain("From: alice@a.example, doctor@good.example", "Sender: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"Sender is none of the authors": {"m.example", plain("From: doctor@good.example, nurse@good.example", "Sender: mallory@m.example", "To: bob@b.example"), "sender-mismatch"},
		"Sender of the domain":          {"a.example", plain("From: alice@a.example", "Sender: carol@a.example", "To: bob@b.example"), "ok"},
		"Sender is From":                {"alice@a.example", plain("From: alice@a.example", "Sender: Alice <ALICE@a.example>", "To: bob@b.example"), "ok"},
		"empty Sender":                  {"alice@a.example", plain("From: alice@a.example", "Sender:", "To: bob@b.example"), "ok"},
		"Sender is a colleague":         {"alice@a.example", plain("From: alice@a.example", "Sender: carol@a.example", "To: bob@b.example"), "sender-mismatch"},
		"Sender of another domain":      {"a.example", plain("From: alice@a.example", "Sender: chief@good.example", "To: bob@b.example"), "sender-mismatch"},
		"Sender that cannot be read":    {"a.example", plain("From: alice@a.example", "Sender: chief <", "To: bob@b.example"), "sender-mismatch"},
		"resent within the domain":      {"a.example", plain("Resent-From: carol@a.example", "From: alice@a.example", "To: bob@b.example"), "ok"},
		"resent by another domain":      {"a.example", plain("Resent-From: chief@good.example", "From: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"resent for another domain":     {"a.example", plain("Resent-Sender: chief@good.example", "Resent-From: carol@a.example", "From: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"resent twice":                  {"a.example", plain("Resent-From: carol@a.example", "Resent-From: chief@good.example", "From: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"address within an address":     {"a.example", plain(`From: "chief@hospital.example"@a.example`, "To: bob@b.example"), "sender-mismatch"},
		"address within Sender":         {"a.example", plain("From: alice@a.example", `Sender: "chief@hospital.example"@a.example`, "To: bob@b.example"), "sender-mismatch"},
		"quoted local part":             {"a.example", plain(`From: "alice smith"@a.example`, "To: bob@b.example"), "ok"},
		"more authors than anybody has": {"a.example", plain("From: "+strings.Repeat("alice@a.example, ", maxSpoken)+"alice@a.example", "Sender: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
		"an author besides the address": {"alice@a.example", plain("From: alice@a.example, carol@a.example", "Sender: alice@a.example", "To: bob@b.example"), "sender-mismatch"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.signers = []*testnet.Identity{r.root.Leaf(tt.signer)}
			r.envelope = nil
			o := r.open(r.wrapped(tt.message))
			equal(t, "verdict", codes(o), []string{tt.want})
		})
	}
}

// AS-64: one good, sender-bound, trusted signature is enough, wherever it stands.
func TestAS64_OneGoodSignatureOfSeveral(t *testing.T) {
	for name, tt := range map[string]struct {
		signers func(r *rig, other *testnet.Identity) []*testnet.Identity
		want    string
	}{
		"good first": {func(r *rig, o *testnet.Identity) []*testnet.Identity {
			return []*testnet.Identity{r.alice, o.Leaf("m.example")}
		}, "ok"},
		"good last": {func(r *rig, o *testnet.Identity) []*testnet.Identity {
			return []*testnet.Identity{o.Leaf("m.example"), r.alice}
		}, "ok"},
		"none is bound": {func(r *rig, o *testnet.Identity) []*testnet.Identity {
			return []*testnet.Identity{o.Leaf("m.example"), r.bob}
		}, "sender-mismatch"},
		"bound by one, trusted by the other": {func(r *rig, o *testnet.Identity) []*testnet.Identity {
			return []*testnet.Identity{o.Leaf("a.example"), r.bob}
		}, "untrusted-anchor"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.signers = tt.signers(r, r.pki.Root("other"))
			equal(t, "verdict", codes(r.open(r.wrapped(usual()))), []string{tt.want})
		})
	}
}

// Every certificate is judged once, and no more than maxJudged of them: each
// path costs a hundred signatures if its sender wants it to.
func TestAS64_AS70_FewSignersAreJudged(t *testing.T) {
	r := newRig(t)
	other := r.pki.Root("other")
	stranger := other.Leaf("a.example")
	r.signers = append(slices.Repeat([]*testnet.Identity{stranger}, 15), r.alice)
	equal(t, "one stranger often", codes(r.open(r.wrapped(usual()))), []string{"ok"})

	// Smaller signatures come first in the set of them, as its encoding wants.
	r.signers = []*testnet.Identity{r.alice}
	for n := range maxJudged + 1 {
		o := r.open(r.wrapped(usual()))
		equal(t, "alice is last", o.Signatures()[n].Certificate.Equal(r.alice.Cert), true)
		want := "ok"
		if n == maxJudged {
			want = "untrusted-anchor"
		}
		equal(t, fmt.Sprintf("after %d strangers", n), codes(o), []string{want})
		r.signers = append(r.signers, other.Leaf("a.example", testnet.EC(elliptic.P256())))
	}
}

// AS-60: each recipient's domain judges by its own anchors.
func TestAS60_AnchorsOfEachRecipient(t *testing.T) {
	r := newRig(t)
	other := r.pki.Root("other")
	r.to = []Recipient{
		{Address: addr(t, "bob@b.example"), Belief: Belief{Anchors: r.anchors}},
		{Address: addr(t, "ben@c.example"), Belief: Belief{Anchors: trust.NewAnchors([]*x509.Certificate{other.Cert})}},
		{Address: addr(t, "ann@d.example"), Belief: Belief{Anchors: trust.NewAnchors(nil)}},
		{Address: addr(t, "abe@e.example")},
	}
	o := r.open(r.wrapped(usual()))
	equal(t, "verdicts", codes(o), []string{"ok", "untrusted-anchor", "no-anchors", "no-anchors"})
}

func TestAS62_CertificateOfTheSigner(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(r *rig) *testnet.Identity
		want reason.Code
	}{
		"expired": {func(r *rig) *testnet.Identity {
			return r.root.Leaf("a.example", testnet.Valid(-48*time.Hour, -time.Hour))
		}, reason.Expired},
		"not yet valid": {func(r *rig) *testnet.Identity {
			return r.root.Leaf("a.example", testnet.Valid(time.Hour, 48*time.Hour))
		}, reason.NotYetValid},
		"encrypts only": {func(r *rig) *testnet.Identity {
			return r.root.Leaf("a.example", testnet.Usage(x509.KeyUsageKeyEncipherment))
		}, reason.WrongUsage},
		"wildcard": {func(r *rig) *testnet.Identity {
			return r.root.Leaf("*.example", testnet.SAN(nil, []string{"a.example", "*.example"}))
		}, reason.SenderMismatch},
		"self-signed": {func(r *rig) *testnet.Identity { return r.pki.SelfSigned("a.example") }, reason.UntrustedAnchor},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.signers = []*testnet.Identity{tt.make(r)}
			equal(t, "verdict", codes(r.open(r.wrapped(usual()))), []string{string(tt.want)})
		})
	}
}

func TestAS63_NotSignedOrNotEncrypted(t *testing.T) {
	r := newRig(t)
	signed, err := smime.Sign(t.Context(), smime.Wrap(source(crlf(usual()))), r.cmsSigners(), r.at)
	if err != nil {
		t.Fatal(err)
	}
	var clear strings.Builder
	_, err = signed.WriteTo(&clear)
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.wrapped(usual())
	for name, tt := range map[string]struct{ message, want string }{
		"in clear":             {crlf(usual()), "not-encrypted"},
		"signed, in clear":     {crlf(outer) + clear.String(), "not-encrypted"},
		"no message":           {"", "not-encrypted"},
		"cut off":              {sealed[:len(sealed)*2/3], "malformed"},
		"broken base64":        {strings.Replace(sealed, "\r\n\r\n", "\r\n\r\n*", 1), "malformed"},
		"broken header":        {"no header\r\n" + sealed, "malformed"},
		"two Content-Types":    {"Content-Type: text/plain\r\n" + sealed, "not-encrypted"},
		"header without limit": {strings.Repeat("X: x\r\n", 2000) + sealed, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			o := r.open(tt.message)
			equal(t, "verdict", codes(o), []string{tt.want})
			if o.Header != nil || !o.Sender.IsZero() {
				t.Errorf("%+v", o)
			}
			_, err := o.Message(mime.Limits{})
			if !errors.Is(err, smime.ErrNotVerified) {
				t.Errorf("reading a refused message: %v", err)
			}
		})
	}
}

// Only a key of the recipients opens it, and what is wrong is not told apart.
func TestAS62_KeyOfAnother(t *testing.T) {
	r := newRig(t)
	sealed := r.wrapped(usual())
	r.bob = r.root.Leaf("other.example")
	equal(t, "no key of ours", codes(r.open(sealed)), []string{"undecryptable"})
	in := r.incoming(sealed)
	in.Keys = nil
	o, err := Open(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "no key at all", codes(o), []string{"undecryptable"})
}

func TestAS63_ChangedAfterSigning(t *testing.T) {
	r := newRig(t)
	signed, err := smime.Sign(t.Context(), smime.Wrap(source(crlf(usual()))), r.cmsSigners(), r.at)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	_, err = signed.WriteTo(&text)
	if err != nil {
		t.Fatal(err)
	}
	entity := strings.Replace(text.String(), "\r\nbody\r\n", "\r\nbOdy\r\n", 1)
	o := r.open(r.encrypted(entity))
	equal(t, "verdict", codes(o), []string{"bad-signature"})
	if o.Header != nil || !o.Sender.IsZero() {
		t.Error("unsigned text is told")
	}
	_, err = o.Message(mime.Limits{})
	if err == nil {
		t.Error("a changed message can be read")
	}
	o = r.open(r.encrypted("Content-Type: text/plain\r\n\r\nbody\r\n"))
	equal(t, "no signature", codes(o), []string{"not-signed"})
}

// encrypted encrypts an entity as it is, by OpenSSL.
func (r *rig) encrypted(entity string) string {
	r.t.Helper()
	der := r.openssl(entity, "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER", r.file("bob.pem", testnet.PEM(r.bob.Cert)))
	return crlf(outer) + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(der)) + "\r\n"
}

func (r *rig) openssl(input string, args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), testnet.Require(r.t, "openssl"), args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("openssl %v: %v", args, err)
	}
	return string(out)
}

func (r *rig) file(name string, text []byte) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), name)
	err := os.WriteFile(path, text, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	return path
}

func TestAS46_OpaqueSignature(t *testing.T) {
	r := newRig(t)
	content := crlf("Content-Type: message/rfc822\n\n" + usual())
	der := r.openssl(content, "cms", "-sign", "-nodetach", "-binary", "-outform", "DER",
		"-signer", r.file("alice.pem", testnet.PEM(r.alice.Cert)), "-inkey", r.file("alice.key", r.alice.KeyPEM()))
	entity := "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(der)) + "\r\n"
	o := r.open(r.encrypted(entity))
	equal(t, "verdict", codes(o), []string{"ok"})
	equal(t, "message", read(t, o), crlf(usual()))
	r.envelope.RcptTo = append(r.envelope.RcptTo, addr(t, "mallory@b.example"))
	equal(t, "tampered", codes(r.open(r.encrypted(entity))), []string{"tampered-routing"})
}

// What may pass is an error, and no verdict.
func TestOpenTellsTroubleFromRefusal(t *testing.T) {
	r := newRig(t)
	sealed := r.wrapped(usual())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, r.incoming(sealed))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
	broken := errors.New("the disk is gone")
	in := r.incoming(sealed)
	in.Message = brokenSource{broken, int64(len(sealed))}
	_, err = Open(t.Context(), in)
	if !errors.Is(err, broken) {
		t.Errorf("without a disk: %v", err)
	}
	in = r.incoming(sealed)
	in.Keys[0].Decrypter = brokenKey{in.Keys[0].Decrypter}
	o, err := Open(t.Context(), in)
	if err == nil && o.Verdicts[0].Accepted() {
		t.Error("accepted without a key")
	}
}

type brokenSource struct {
	err  error
	size int64
}

func (b brokenSource) Open() (io.Reader, error)   { return b, nil }
func (b brokenSource) Size() int64                { return b.size }
func (b brokenSource) Read(p []byte) (int, error) { return 0, b.err }

type brokenKey struct{ crypto.Decrypter }

func (brokenKey) Decrypt(io.Reader, []byte, crypto.DecrypterOpts) ([]byte, error) {
	return nil, errors.New("no answer")
}
