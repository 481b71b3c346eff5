package kit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/mime"
	"postern/sta"
	"postern/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestKit opens every vector as the product does, and compares. Its subtests
// carry the rows that they show, so that go test -run 'TestKit///AS-37' runs
// those of one row.
func TestKit(t *testing.T) {
	for _, v := range readManifest(t).Vectors {
		for _, p := range v.profiles() {
			t.Run(v.ID+"/"+p+"/"+strings.Join(v.Rows, ","), func(t *testing.T) {
				t.Parallel()
				profile, err := trust.ParseProfile(p)
				if err != nil {
					t.Fatal(err)
				}
				opened := v.open(t, profile)
				for _, got := range opened.Verdicts {
					if got.Code.String() != v.Reason {
						t.Errorf("%s for %s (%s), want %s", got.Code, got.Recipient, got.Detail, v.Reason)
					}
				}
				v.checkMessage(t, opened)
			})
		}
	}
}

func (v vector) open(t *testing.T, profile trust.Profile) *sta.Opened {
	t.Helper()
	in := v.incoming(t, profile)
	opened, err := sta.Open(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	// Every question that waits for the network is asked again when the answer
	// is there; a chain that is fetched and then checked asks a few times.
	const most = 10
	for range most {
		pending := opened.Pending()
		if pending == nil {
			break
		}
		<-pending
		opened.Judge(in)
	}
	if opened.Pending() != nil {
		t.Fatalf("still waiting for evidence after %d rounds", most)
	}
	if len(opened.Verdicts) != len(v.Recipients) {
		t.Fatalf("%d verdicts for %d recipients", len(opened.Verdicts), len(v.Recipients))
	}
	return opened
}

func (v vector) incoming(t *testing.T, profile trust.Profile) sta.Incoming {
	t.Helper()
	message := read(t, v.File)
	in := sta.Incoming{
		Message: smime.SectionSource(bytes.NewReader(message), int64(len(message))),
		Keys:    v.keys(t), At: v.Time, Profile: profile, AcceptUnwrapped: v.Policy.AcceptUnwrapped,
		Evidence: v.evidence(t),
	}
	var err error
	in.Revocation, err = trust.ParseRevocationPolicy(v.Policy.Revocation)
	if err != nil {
		t.Fatal(err)
	}
	if v.Envelope != nil {
		in.Envelope = &sta.Envelope{MailFrom: address(t, v.Envelope.MailFrom), RcptTo: addresses(t, v.Envelope.RcptTo)}
	}
	in.EVPolicies = v.policies(t)
	belief := v.belief(t)
	for _, a := range addresses(t, v.Recipients) {
		in.Recipients = append(in.Recipients, sta.Recipient{Address: a, Belief: belief})
	}
	return in
}

func (v vector) belief(t *testing.T) sta.Belief {
	t.Helper()
	signers, err := trust.ParseSignerPolicy(v.Policy.Signers)
	if err != nil {
		t.Fatal(err)
	}
	return sta.Belief{
		Anchors: trust.NewAnchors(certificates(t, v.Anchors)), Signers: signers,
		EVRoots: trust.NewAnchors(certificates(t, v.Policy.EVRoots)),
	}
}

func (v vector) policies(t *testing.T) []x509.OID {
	t.Helper()
	var all []x509.OID
	for _, p := range v.Policy.EVPolicies {
		id, err := x509.ParseOID(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

func (v vector) keys(t *testing.T) []cms.RecipientKey {
	t.Helper()
	var all []cms.RecipientKey
	for _, k := range v.Keys {
		private, err := x509.ParsePKCS8PrivateKey(readPEM(t, k.Key))
		if err != nil {
			t.Fatalf("%s: %v", k.Key, err)
		}
		r := cms.RecipientKey{Certificate: certificate(t, k.Certificate)}
		switch private := private.(type) {
		case *rsa.PrivateKey:
			r.Decrypter = private
		case *ecdsa.PrivateKey:
			r.Agreement, err = private.ECDH()
		}
		if err != nil {
			t.Fatalf("%s: %v", k.Key, err)
		}
		all = append(all, r)
	}
	return all
}

// checkMessage looks at what comes out: the message that was sent if it was
// accepted, and nothing that was not signed if not.
func (v vector) checkMessage(t *testing.T, opened *sta.Opened) {
	t.Helper()
	r, err := opened.Message(mime.Limits{})
	if v.Verdict != "accepted" {
		if slices.Contains(unverified(), v.Reason) != errors.Is(err, smime.ErrNotVerified) {
			t.Errorf("reading what was refused for %s: %v", v.Reason, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := v.digest(text, opened.Wrapped); got != v.InnerSHA256 {
		t.Errorf("the inner message has the SHA-256 %s, want %s:\n%.600s", got, v.InnerSHA256, text)
	}
}

// unverified are the reasons of refusals that come before a signature is known to
// cover a whole message: nothing may come out of it.
func unverified() []string {
	return []string{"bad-signature", "malformed", "not-encrypted", "not-signed", "not-wrapped", "undecryptable",
		"unsupported-algorithm", "weak-algorithm"}
}

// digest is that of the manifest: of the message that was wrapped, or else of
// the body alone, because the header of an unwrapped message is what the
// receiver makes of it.
func (v vector) digest(text []byte, wrapped bool) string {
	if !wrapped {
		_, text, _ = bytes.Cut(text, []byte("\r\n\r\n"))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func address(t *testing.T, s string) mime.Address {
	t.Helper()
	if s == "" {
		return mime.Address{} // the null reverse-path
	}
	a, err := mime.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func addresses(t *testing.T, all []string) []mime.Address {
	t.Helper()
	var parsed []mime.Address
	for _, s := range all {
		parsed = append(parsed, address(t, s))
	}
	return parsed
}
