package sta

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/x509"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a root that everybody trusts, a sender and a recipient.
type rig struct {
	t        testing.TB
	at       time.Time
	pki      *testnet.PKI
	root     *testnet.Identity
	alice    *testnet.Identity // of a.example
	bob      *testnet.Identity // of b.example
	anchors  *trust.Anchors
	signers  []*testnet.Identity // alice, unless a test says otherwise
	profile  trust.Profile
	bare     bool // take unwrapped messages
	envelope *Envelope
	to       []Recipient
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, at: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	r.pki = testnet.NewPKI(t, r.at)
	r.root = r.pki.Root("root")
	r.alice, r.bob = r.root.Leaf("a.example"), r.root.Leaf("b.example")
	r.anchors = trust.NewAnchors([]*x509.Certificate{r.root.Cert})
	r.signers = []*testnet.Identity{r.alice}
	r.envelope = &Envelope{MailFrom: addr(t, "alice@a.example"), RcptTo: []mime.Address{addr(t, "bob@b.example")}}
	r.to = []Recipient{{Address: addr(t, "bob@b.example"), Belief: Belief{Anchors: r.anchors}}}
	return r
}

var addr = testnet.Address

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func source(s string) smime.Source {
	return smime.SectionSource(strings.NewReader(s), int64(len(s)))
}

func header(t testing.TB, s string) *mime.Header {
	t.Helper()
	h, err := mime.ReadHeader(bufio.NewReader(strings.NewReader(s)), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (r *rig) cmsSigners() []cms.Signer {
	var all []cms.Signer
	for _, id := range r.signers {
		all = append(all, cms.Signer{Certificate: id.Cert, Key: id.Key})
	}
	return all
}

// entity seals any MIME entity, signed by the rig's signers, under an outer
// header of the test's choice.
func (r *rig) entity(outer, content string) string {
	r.t.Helper()
	signed, err := smime.Sign(r.t.Context(), source(crlf(content)), r.cmsSigners(), r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	b := bytes.NewBufferString(crlf(outer))
	err = smime.Encrypt(b, signed, []*x509.Certificate{r.bob.Cert}, cms.EncryptOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// outer is a header around a sealed message that has nothing to do with it.
const outer = "From: outer@outer.example\nTo: outer@outer.example\nMIME-Version: 1.0\n"

// wrapped seals a message with the wrapper that v1.3 asks for.
func (r *rig) wrapped(message string) string {
	r.t.Helper()
	return r.entity(outer, "Content-Type: message/rfc822\n\n"+message)
}

// plain is a message to bob with the fields given.
func plain(fields ...string) string {
	return strings.Join(fields, "\n") + "\nDate: Mon, 01 Jun 2026 12:00:00 +0000\nMessage-ID: <1@a.example>\nSubject: s\n\nbody\n"
}

// usual is a good message from alice to bob.
func usual() string { return plain("From: alice@a.example", "To: bob@b.example") }

func (r *rig) incoming(sealed string) Incoming {
	return Incoming{
		Message: source(sealed), Envelope: r.envelope, Recipients: r.to,
		Keys: []cms.RecipientKey{{Certificate: r.bob.Cert, Decrypter: r.bob.Key.(crypto.Decrypter)}},
		At:   r.at, Profile: r.profile, AcceptUnwrapped: r.bare,
	}
}

func (r *rig) open(sealed string) *Opened {
	r.t.Helper()
	o, err := Open(r.t.Context(), r.incoming(sealed))
	if err != nil {
		r.t.Fatal(err)
	}
	if len(o.Verdicts) != len(r.to) {
		r.t.Fatalf("%d verdicts for %d recipients", len(o.Verdicts), len(r.to))
	}
	for i, v := range o.Verdicts {
		equal(r.t, "recipient of a verdict", v.Recipient.String(), r.to[i].Address.String())
	}
	return o
}

// codes returns the reasons, one for each recipient.
func codes(o *Opened) []string {
	var all []string
	for _, v := range o.Verdicts {
		all = append(all, v.Code.String())
	}
	return all
}

func read(t testing.TB, o *Opened) string {
	t.Helper()
	m, err := o.Message(mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
