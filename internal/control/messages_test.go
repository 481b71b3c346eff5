package control

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/gateway"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/smtp"
)

// canary is what a message holds and nothing else may show.
const canary = "CANARY-Jane-Doe"

func record(fields ...string) []byte {
	text := "From: Alice <alice@a.example>\nTo: bob@b.example\nSubject: " + canary + "\nMessage-ID: <m1@a.example>\n" +
		strings.Join(append(fields, ""), "\n") + "\n" + canary + "\n"
	return []byte(strings.ReplaceAll(text, "\n", "\r\n"))
}

// pair is a server with two domains that trust one root, and the keys of both.
func pair(t *testing.T) (*server, *testnet.Identity, *testnet.Identity) {
	t.Helper()
	s := ours(t, "a.example", "b.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	a, b := root.Leaf("a.example"), root.Leaf("b.example")
	for _, id := range []*testnet.Identity{a, b} {
		_, err := s.ImportCertificates(t.Context(), importOf(t, "", id))
		must(t, err)
	}
	_, err := s.AddAnchors(t.Context(), AnchorsToAdd{Direction: "both", Certificates: [][]byte{root.Cert.Raw}})
	must(t, err)
	return s, a, b
}

func TestSealAndOpen(t *testing.T) {
	s, _, _ := pair(t)
	ctx := t.Context()
	sealed, err := s.Seal(ctx, SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()})
	must(t, err)
	if bytes.Contains(sealed.Message, []byte("CANARY")) || bytes.Contains(sealed.Message, []byte("Subject")) {
		t.Error("the sealed message shows what is in it")
	}
	alice, mallory := "alice@a.example", "mallory@m.example"
	opened, err := s.Open(ctx, OpenRequest{To: []string{"bob@b.example"}, MailFrom: &alice, Message: sealed.Message})
	must(t, err)
	equal(t, "verdict", opened.Verdict.Verdict, "accepted")
	equal(t, "sender", opened.Verdict.Sender, "alice@a.example")
	if !bytes.HasSuffix(opened.Message, []byte("\r\n\r\n"+canary+"\r\n")) {
		t.Errorf("opened %q", opened.Message)
	}
	for what, in := range map[string]OpenRequest{
		"tampered-routing": {To: []string{"bob@b.example"}, MailFrom: &mallory, Message: sealed.Message},
		"undecryptable":    {To: []string{"alice@a.example"}, Message: sealed.Message},
		"expired":          {To: []string{"bob@b.example"}, At: noon().AddDate(2, 0, 0), Message: sealed.Message},
		"not-encrypted":    {To: []string{"bob@b.example"}, Message: record()},
	} {
		opened, err := s.Open(ctx, in)
		must(t, err)
		equal(t, what, opened.Verdict.Reason, what)
		equal(t, what, opened.Verdict.Verdict, "refused")
		equal(t, "message", len(opened.Message), 0)
		if opened.Verdict.Hint == "" {
			t.Errorf("%s: no hint", what)
		}
	}
}

// What was signed and cannot be read is refused, and none of it is given out.
func TestOpenOfABrokenWrapper(t *testing.T) {
	s, a, b := pair(t)
	content := "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(record()) + "\r\n!!\r\n====\r\n"
	signed, err := smime.Sign(t.Context(), smime.SectionSource(strings.NewReader(content), int64(len(content))),
		[]cms.Signer{{Certificate: a.Cert, Key: a.Key}}, noon())
	must(t, err)
	message := bytes.NewBufferString("From: alice@a.example\r\n")
	must(t, smime.Encrypt(message, signed, []*x509.Certificate{b.Cert}, cms.EncryptOptions{}))
	opened, err := s.Open(t.Context(), OpenRequest{To: []string{"bob@b.example"}, Message: message.Bytes()})
	must(t, err)
	equal(t, "reason", opened.Verdict.Reason, "malformed")
	equal(t, "message", len(opened.Message), 0)
}

// What cannot be asked is an error; what was judged and may not be sealed is a
// verdict with its reason and what to change.
func TestSealRefuses(t *testing.T) {
	s, a, b := pair(t)
	good := SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()}
	for name, tt := range map[string]struct {
		change func(*SealRequest)
		kind   Kind   // of the error, or ""
		reason string // of the verdict
	}{
		"no recipient":           {func(in *SealRequest) { in.To = nil }, Invalid, ""},
		"nonsense as recipient":  {func(in *SealRequest) { in.To = []string{"bob"} }, Invalid, ""},
		"nonsense as sender":     {func(in *SealRequest) { in.From = "alice" }, Invalid, ""},
		"another sender":         {func(in *SealRequest) { in.From = "carol@a.example" }, "", "sender-not-allowed"},
		"sender without key":     {func(in *SealRequest) { in.From = "alice@c.example" }, "", "no-signing-key"},
		"nobody's certificate":   {func(in *SealRequest) { in.To = append(in.To, "x@c.example") }, "", "no-certificate"},
		"another's certificate":  {func(in *SealRequest) { in.Certificates = [][]byte{a.Cert.Raw} }, "", "wrong-address"},
		"rubbish as certificate": {func(in *SealRequest) { in.Certificates = [][]byte{[]byte("x")} }, Invalid, ""},
		"too large":              {func(in *SealRequest) { in.Message = make([]byte, s.core.MessageBytes+1) }, Negative, ""},
		"8-bit header":           {func(in *SealRequest) { in.Message = record("X: \xff") }, "", "bad-header"},
		"no header":              {func(in *SealRequest) { in.Message = nil }, "", "bad-header"},
		"later":                  {func(in *SealRequest) { in.At = noon().AddDate(2, 0, 0) }, "", "no-signing-key"},
	} {
		in := good
		tt.change(&in)
		answer, err := s.Client.Seal(t.Context(), in)
		equal(t, name+": sealed", len(answer.Message), 0)
		if tt.kind != "" {
			isRefused(t, name, err, tt.kind)
			continue
		}
		must(t, err)
		v := answer.Verdict
		equal(t, name, v.Verdict+" "+v.Reason, "refused "+tt.reason)
		equal(t, name+": recipients", len(v.Recipients), len(in.To))
		text, err := json.Marshal(v)
		must(t, err)
		if v.Hint == "" || v.Detail == "" || strings.Contains(string(text), "CANARY") {
			t.Errorf("%s: it has no hint or detail, or quotes the message: %s", name, text)
		}
	}
	good.Certificates = [][]byte{b.Cert.Raw}
	_, err := s.Seal(t.Context(), good)
	must(t, err)
	noSecrets(t, s)
}

func noSecrets(t *testing.T, s *server) {
	t.Helper()
	if strings.Contains(s.log.String(), "CANARY") {
		t.Errorf("the log quotes the message: %s", s.log.String())
	}
}

func TestLookup(t *testing.T) {
	s, _, b := pair(t)
	ctx := t.Context()
	found, err := s.Lookup(ctx, Lookup{Address: "bob@b.example", From: "a.example"})
	must(t, err)
	equal(t, "verdict", found.Verdict, "ok")
	if len(found.Certificates) != 1 || found.Certificates[0].Source != "local" || found.Certificates[0].Subject != b.Cert.Subject.String() {
		t.Errorf("certificates %+v", found.Certificates)
	}
	found, err = s.Lookup(ctx, Lookup{Address: "bob@b.example", From: "alice@a.example", At: noon().AddDate(2, 0, 0)})
	must(t, err)
	equal(t, "later", found.Verdict, "expired")
	found, err = s.Lookup(ctx, Lookup{Address: "x@c.example", From: "a.example"})
	must(t, err)
	equal(t, "nobody", found.Verdict, "no-certificate")
	if found.Hint == "" || found.Certificates == nil || found.Steps == nil {
		t.Errorf("%+v", found)
	}
	_, err = s.Lookup(ctx, Lookup{Address: "bob@b.example"})
	isRefused(t, "two domains here", err, Invalid)
	_, err = s.Lookup(ctx, Lookup{Address: "bob@b.example", From: "c.example"})
	isRefused(t, "not ours", err, Negative)
	_, err = s.Lookup(ctx, Lookup{Address: "bob", From: "a.example"})
	isRefused(t, "no address", err, Invalid)
	_, err = s.Lookup(ctx, Lookup{Address: "bob@b.example", From: "nonsense"})
	isRefused(t, "no domain", err, Invalid)
}

func TestTrackAndQueue(t *testing.T) {
	s, _, _ := pair(t)
	ctx := t.Context()
	jobs, err := s.Queue(ctx)
	must(t, err)
	equal(t, "empty queue", len(jobs), 0)
	alice, err := mime.ParseAddress("alice@a.example")
	must(t, err)
	bob, err := mime.ParseAddress("bob@b.example")
	must(t, err)
	remote := netip.MustParseAddrPort("192.0.2.1:25")
	submission := gateway.Submission{Core: s.core}
	must(t, s.AddAccount(ctx, "alice@a.example", []byte("correct horse battery")))
	granted, err := submission.Login(ctx, login.Attempt{Client: login.Client{Remote: remote.Addr()}, User: "alice@a.example", Secret: "correct horse battery"})
	must(t, err)
	e := smtp.Envelope{Account: granted.Account, Proof: granted.Proof, From: alice, To: []mime.Address{bob}, Remote: remote}
	id, err := submission.Accept(ctx, e, bytes.NewReader(record()))
	must(t, err)
	for _, name := range []string{id, "<m1@a.example>", "m1@a.example", " m1@a.example\n"} {
		found, err := s.Track(ctx, name)
		must(t, err)
		lives := found.Lives
		if len(lives) != 1 || string(lives[0].ID) != id || len(lives[0].Events) != 1 {
			t.Errorf("%q: %+v", name, lives)
		}
	}
	for _, name := range []string{"", "<", "nothing", strings.Repeat("x", 100_000)} {
		_, err := s.Track(ctx, name)
		isRefused(t, "no such message", err, Negative)
	}
	jobs, err = s.Queue(ctx)
	must(t, err)
	if len(jobs) != 1 || string(jobs[0].Track) != id {
		t.Errorf("queue %+v", jobs)
	}
	report, err := s.Check(ctx)
	must(t, err)
	equal(t, "problems", len(report.Problems), 0)
	equal(t, "jobs", report.Jobs, 2) // the message, and the deadline for its delivery
}

// No answer ever carries a private key.
func TestAnswersShowNoKey(t *testing.T) {
	s, a, _ := pair(t)
	block, _ := pem.Decode(a.KeyPEM())
	secret := base64.StdEncoding.EncodeToString(block.Bytes)[800:900] // of the private exponent
	for _, path := range []string{"cert/list", "cert/show", "account/list", "domain/list"} {
		r, err := s.http.Post("http://postern/"+path, "application/json", strings.NewReader(`{}`))
		must(t, err)
		var text bytes.Buffer
		_, err = text.ReadFrom(r.Body)
		must(t, err)
		r.Body.Close()
		if strings.Contains(text.String(), secret) || strings.Contains(strings.ToLower(text.String()), "pkcs8") {
			t.Errorf("%s shows a private key", path)
		}
	}
}

// CP-9, AS-21: that a message of a peer was opened, and its certificate with all
// its chain seen and believed, is no reason to encrypt to that certificate.
func TestCP9_SignaturesGiveNoCertificateToEncryptTo(t *testing.T) {
	far, near := ours(t, "a.example"), ours(t, "b.example")
	ctx := t.Context()
	root := testnet.NewPKI(t, noon()).Root("root")
	a, b := root.Leaf("a.example"), root.Leaf("b.example")
	for s, id := range map[*server]*testnet.Identity{far: a, near: b} {
		_, err := s.ImportCertificates(ctx, importOf(t, "", id))
		must(t, err)
		_, err = s.AddAnchors(ctx, AnchorsToAdd{Direction: "both", Certificates: [][]byte{root.Cert.Raw}})
		must(t, err)
	}
	sealed, err := far.Seal(ctx, SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record(), Certificates: [][]byte{b.Cert.Raw}})
	must(t, err)
	opened, err := near.Open(ctx, OpenRequest{To: []string{"bob@b.example"}, Message: sealed.Message})
	must(t, err)
	equal(t, "opened", opened.Verdict.Verdict, "accepted")
	answer := SealRequest{From: "bob@b.example", To: []string{"alice@a.example"}, Message: []byte("From: bob@b.example\r\nTo: alice@a.example\r\nSubject: x\r\n\r\nx\r\n")}
	refused, err := near.Seal(ctx, answer)
	must(t, err)
	equal(t, "without discovery", refused.Verdict.Reason, "no-certificate")
	equal(t, "sealed", len(refused.Message), 0)
	answer.Certificates = [][]byte{a.Cert.Raw}
	given, err := near.Seal(ctx, answer)
	must(t, err)
	equal(t, "with the certificate given", given.Verdict.Reason, "ok")
}
