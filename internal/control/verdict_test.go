package control

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// hold stores a key with its chain.
func hold(t *testing.T, s *server, owner string, id *testnet.Identity) {
	t.Helper()
	block, _ := pem.Decode(id.KeyPEM())
	k := store.Key{Fingerprint: store.FingerprintOf(id.Cert.Raw), Owner: owner, Certificate: id.Cert.Raw, PKCS8: block.Bytes, Created: noon()}
	for _, c := range id.Chain() {
		k.Chain = append(k.Chain, c.Raw)
	}
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutKey(k) }))
}

// A verdict is as long as it has to be: nothing on its way bounds it.
func TestLongVerdictsArrive(t *testing.T) {
	const recipients, longestPath = 100, 10 // certificates of a path: as many as trust takes
	s := ours(t, "a.example", "b.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	issuer := root
	for i := range longestPath - 2 {
		issuer = issuer.Intermediate(fmt.Sprintf("intermediate %d", i))
	}
	for _, name := range []string{"a.example", "b.example"} {
		hold(t, s, name, issuer.Leaf(name))
	}
	_, err := s.AddAnchors(t.Context(), AnchorsToAdd{Direction: "both", Certificates: [][]byte{root.Cert.Raw}})
	must(t, err)
	var to []string
	for i := range recipients {
		to = append(to, fmt.Sprintf("bob%d@b.example", i))
	}
	sealed, err := s.Seal(t.Context(), SealRequest{From: "alice@a.example", To: to, Message: record()})
	must(t, err)
	equal(t, "sealed", sealed.Verdict.Verdict+" "+sealed.Verdict.Detail, "sealed ")
	opened, err := s.Open(t.Context(), OpenRequest{To: to, Message: sealed.Message})
	must(t, err)
	equal(t, "opened", opened.Verdict.Verdict, "accepted")
	equal(t, "recipients", len(opened.Verdict.Recipients), recipients)
	for i, r := range opened.Verdict.Recipients {
		equal(t, "path", len(r.Path), longestPath)
		equal(t, "path of a certificate to seal to", len(sealed.Verdict.Recipients[i].Certificates[0].Path), longestPath)
	}
	text, err := json.Marshal(opened.Verdict)
	must(t, err)
	if len(text) < 100_000 {
		t.Errorf("the verdict has %d octets only", len(text))
	}
}

func TestCP20_CP22_OpenTellsTheWholeStory(t *testing.T) {
	s, a, b := pair(t)
	ctx := t.Context()
	sealed, err := s.Seal(ctx, SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()})
	must(t, err)
	opened, err := s.Open(ctx, OpenRequest{To: []string{"bob@b.example"}, Message: sealed.Message})
	must(t, err)
	v := opened.Verdict
	equal(t, "at", v.At, noon())
	equal(t, "profile", v.Profile, "1.3")
	equal(t, "wrapped", *v.Wrapped, true)
	equal(t, "signatures", v.Signatures, []SignatureInfo{{
		Verdict: "good", Algorithm: "RSA PKCS#1 v1.5 SHA-256", SHA256: sha256Of(a.Cert), Subject: a.Cert.Subject.String(), SignedAt: noon(),
	}})
	equal(t, "encryption", *v.Encryption, Encryption{Cipher: "AES-256-CBC", Recipients: 1, Keys: []OpeningKey{{
		SHA256: sha256Of(b.Cert), Subject: b.Cert.Subject.String(), Owner: "b.example",
		KeyManagement: v.Encryption.Keys[0].KeyManagement, For: []string{"bob@b.example"},
	}}})
	r := v.Recipients[0]
	equal(t, "binding", r.Binding, "domain")
	equal(t, "policy", r.SignerPolicy, "community")
	equal(t, "path", len(r.Path), 2)
	equal(t, "anchor", r.AnchorFrom, []AnchorSource{{"", "manual"}})
	equal(t, "revocation", len(r.Revocation), 1)
	equal(t, "revocation", r.Revocation[0].Status, "no-source")
	text, err := json.Marshal(v)
	must(t, err)
	for _, key := range []string{`"anchor_from":[{`, `"issuers_from":[]`} {
		if !bytes.Contains(text, []byte(key)) {
			t.Errorf("the verdict has no %s: %s", key, text)
		}
	}
	if bytes.Contains(text, []byte("age_seconds")) {
		t.Errorf("what has no answer has an age: %s", text)
	}
	if bytes.Contains(text, []byte("CANARY")) {
		t.Errorf("the verdict quotes the message: %s", text)
	}
}

// A retired key opens, and the verdict says that it is one.
func TestOpenTellsThatAKeyIsRetired(t *testing.T) {
	s, _, b := pair(t)
	ctx := t.Context()
	sealed, err := s.Seal(ctx, SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()})
	must(t, err)
	must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
		keys, err := tx.KeysOf("b.example")
		if err != nil {
			return err
		}
		keys[0].Retired = noon().Add(-time.Hour)
		return tx.PutKey(keys[0])
	}))
	opened, err := s.Open(ctx, OpenRequest{To: []string{"bob@b.example"}, Message: sealed.Message})
	must(t, err)
	key := opened.Verdict.Encryption.Keys[0]
	equal(t, "key", key.SHA256, sha256Of(b.Cert))
	equal(t, "retired", key.Retired, noon().Add(-time.Hour))
}

// evidence says the same of every certificate.
type evidence struct{ answer trust.Revocation }

func (evidence) Issuers(*x509.Certificate) trust.Issuers { return trust.Issuers{} }

func (e evidence) Revocation(_, _ *x509.Certificate, _ time.Time) trust.Revocation { return e.answer }

func source(message []byte) smime.Source {
	return smime.SectionSource(bytes.NewReader(message), int64(len(message)))
}

// AS-71, AS-73: the verdict says what was learnt of revocation, from where and
// how old it is, whether it is the reason for a refusal or not.
func TestAS71_VerdictsTellOfRevocation(t *testing.T) {
	s, _, _ := pair(t)
	sealed, err := s.Seal(t.Context(), SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()})
	must(t, err)
	const url = "http://crl.example/root.crl"
	for name, tt := range map[string]struct {
		evidence trust.Revocation
		policy   trust.RevocationPolicy
		reason   string
		age      int64
	}{
		"good": {trust.Revocation{Status: trust.NotRevoked, Method: "crl", Source: url, ThisUpdate: noon().Add(-3 * time.Hour), NextUpdate: noon().Add(time.Hour)},
			trust.HardFail, "ok", 3 * 3600},
		"made later": {trust.Revocation{Status: trust.NotRevoked, Method: "ocsp", Source: url, ThisUpdate: noon().Add(time.Minute)},
			trust.HardFail, "ok", -60},
		"revoked": {trust.Revocation{Status: trust.IsRevoked, Method: "crl", Source: url, ThisUpdate: noon().Add(-time.Hour), RevokedAt: noon().Add(-48 * time.Hour), Detail: "keyCompromise"},
			trust.SoftFail, "revoked", 3600},
		"unavailable, hard": {trust.Revocation{Status: trust.RevocationUnknown, Detail: "it is down"}, trust.HardFail, "revocation-unavailable", 0},
		"unavailable, soft": {trust.Revocation{Status: trust.RevocationUnknown, Detail: "it is down\x1b[31m"}, trust.SoftFail, "ok", 0},
		"no source, hard":   {trust.Revocation{Status: trust.RevocationUnstated}, trust.HardFail, "no-revocation-source", 0},
	} {
		core := &Service{Core: s.core}
		core.Core.Evidence, core.Core.Revocation = evidence{tt.evidence}, tt.policy
		v, err := core.open(t.Context(), &bytes.Buffer{}, OpenRequest{To: []string{"bob@b.example"}}, source(sealed.Message))
		must(t, err)
		equal(t, name, v.Reason, tt.reason)
		if len(v.Recipients[0].Revocation) != 1 {
			t.Errorf("%s: %+v", name, v.Recipients[0])
			continue
		}
		got := v.Recipients[0].Revocation[0]
		equal(t, name, got.Status, string(tt.evidence.Status))
		equal(t, name, got.Source, tt.evidence.Source)
		if (got.Age == nil) != tt.evidence.ThisUpdate.IsZero() || got.Age != nil && *got.Age != tt.age {
			t.Errorf("%s: the age is %v, want %d", name, got.Age, tt.age)
		}
		if strings.ContainsRune(got.Detail, '\x1b') {
			t.Errorf("%s: %q", name, got.Detail)
		}
		found, err := core.lookup(t.Context(), Lookup{Address: "bob@b.example", From: "a.example"})
		must(t, err)
		equal(t, name, found.Verdict, tt.reason)
		equal(t, name, found.Certificates[0].Revocation[0].Status, string(tt.evidence.Status))
		sealed, err := core.seal(t.Context(), &bytes.Buffer{}, SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}}, source(record()))
		must(t, err)
		equal(t, name, sealed.Reason, tt.reason)
		equal(t, name, sealed.Recipients[0].Certificates[0].Revocation[0].Status, string(tt.evidence.Status))
	}
}

// What a stranger wrote into a certificate is one harmless, short line.
func TestVerdictsShowStrangersTextsPlain(t *testing.T) {
	s := ours(t, "a.example", "b.example")
	name := "evil\npostern: accepted: ok\x1b[31m\u202e" + strings.Repeat("x", 5000)
	root := testnet.NewPKI(t, noon()).Root("root")
	a := root.Leaf("a.example", testnet.Template(func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: name} }))
	hold(t, s, "a.example", a)
	hold(t, s, "b.example", root.Leaf("b.example"))
	_, err := s.AddAnchors(t.Context(), AnchorsToAdd{Direction: "both", Certificates: [][]byte{root.Cert.Raw}})
	must(t, err)
	sealed, err := s.Seal(t.Context(), SealRequest{From: "alice@a.example", To: []string{"bob@b.example"}, Message: record()})
	must(t, err)
	opened, err := s.Open(t.Context(), OpenRequest{To: []string{"bob@b.example"}, Message: sealed.Message})
	must(t, err)
	for _, text := range []string{opened.Verdict.Signer, opened.Verdict.Signatures[0].Subject, opened.Verdict.Recipients[0].Path[0].Subject, sealed.Verdict.Signers[0].Subject} {
		if !strings.HasPrefix(text, `CN=evil\0apostern: accepted: ok\1b[31m\e2\80\aex`) || len(text) > maxSubject+3 {
			t.Errorf("%q", text)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add("CN=a\nb\x00", 10)
	f.Add("\xff\u202e\u00e9", 2)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 0 || most > 1000 {
			return
		}
		got := plain(s, most)
		if len([]rune(got)) > most+3 {
			t.Errorf("%d characters, not %d", len([]rune(got)), most)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %q", got, r)
			}
		}
	})
}

// The verdict that is told of several is the one that decides most: a message
// that one may have is accepted, and one that may yet be accepted is not refused
// for good.
func TestOpenTellsOfTheVerdictThatDecides(t *testing.T) {
	s, _, _ := pair(t)
	address := func(text string) mime.Address {
		a, err := mime.ParseAddress(text)
		must(t, err)
		return a
	}
	opened := func(codes ...reason.Code) *sta.Opened {
		o := &sta.Opened{}
		for i, c := range codes {
			o.Verdicts = append(o.Verdicts, sta.Verdict{Recipient: address(fmt.Sprintf("u%d@b.example", i)), Code: c})
		}
		return o
	}
	for _, tt := range []struct {
		all  []*sta.Opened
		want string
	}{
		{[]*sta.Opened{opened(reason.Expired, reason.OK)}, "accepted ok"},
		{[]*sta.Opened{opened(reason.Expired, reason.Revoked), opened(reason.OK)}, "accepted ok"},
		{[]*sta.Opened{opened(reason.Expired, reason.RevocationDown), opened(reason.Revoked)}, "refused revocation-unavailable"},
		{[]*sta.Opened{opened(reason.Expired), opened(reason.Revoked)}, "refused expired"},
	} {
		v, err := (&Service{Core: s.core}).openVerdict(t.Context(), tt.all, noon())
		must(t, err)
		equal(t, "verdict", v.Verdict+" "+v.Reason, tt.want)
	}
}
