package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/internal/testnet/effort"
	"postern/trust"
	"postern/trust/reason"
)

// aia names a place where the issuer's certificate might be.
func aia(url string) testnet.Option {
	return testnet.Template(func(c *x509.Certificate) { c.IssuingCertificateURL = []string{url} })
}

// apart is a chain whose intermediates did not come along.
func apart(t testing.TB, levels int) (p trust.Params, e *known, ids []*testnet.Identity) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ids = []*testnet.Identity{root}
	e = &known{issuers: map[string]trust.Issuers{}}
	for i := range levels {
		url := fmt.Sprintf("http://ca.example/%d", i)
		ca := ids[i].Intermediate(fmt.Sprintf("ca %d", i+1), aia(url))
		ids = append(ids, ca)
		if i > 0 {
			e.issuers[ca.Cert.Subject.CommonName] = trust.Issuers{Certificates: testnet.Certs(ids[i]), Sources: []string{url}}
		}
	}
	url := fmt.Sprintf("http://ca.example/%d", levels)
	leaf := ids[levels].Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), aia(url))
	e.issuers["b.example"] = trust.Issuers{Certificates: testnet.Certs(ids[levels]), Sources: []string{url}}
	p = ask(t, leaf, root)
	p.Evidence = e
	return p, e, ids
}

func TestAS69_MissingIntermediatesAreAskedFor(t *testing.T) {
	p, e, ids := apart(t, 3)
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if d := cmp.Diff([]string{"b.example", "ca 3", "ca 2", "ca 1", "root"}, subjects(v.Path)); d != "" {
		t.Errorf("path (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"http://ca.example/3", "http://ca.example/2", "http://ca.example/1"}, v.IssuersFrom); d != "" {
		t.Errorf("issuers from (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"b.example", "ca 3", "ca 2"}, e.wanted); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}

	// What came with the message is not asked for.
	e.wanted = nil
	p.Intermediates = testnet.Certs(ids[3], ids[2])
	v = trust.Judge(p)
	wantCode(t, v, reason.OK)
	if d := cmp.Diff([]string{"http://ca.example/1"}, v.IssuersFrom); d != "" {
		t.Errorf("issuers from (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"ca 2"}, e.wanted); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}

	// Nor is anything of a path that is complete.
	e.wanted = nil
	p.Intermediates = testnet.Certs(ids[3], ids[2], ids[1])
	v = trust.Judge(p)
	wantCode(t, v, reason.OK)
	if len(e.wanted) != 0 || v.IssuersFrom != nil {
		t.Errorf("asked for %v", e.wanted)
	}
}

func TestAS70_LevelsAreBounded(t *testing.T) {
	for levels, want := range map[int]reason.Code{4: reason.OK, 5: reason.UntrustedAnchor} {
		p, e, _ := apart(t, levels)
		wantCode(t, trust.Judge(p), want)
		if len(e.wanted) != 4 {
			t.Errorf("%d levels: asked for %v", levels, e.wanted)
		}
	}
}

// Somebody may send a crowd of certificates that all name places to ask.
func TestAS70_QuestionsAreBounded(t *testing.T) {
	for places, want := range map[int]int{1: 8, 2: 4, 9: 4} {
		p, e, ids := apart(t, 1)
		leafOf := ids[1]
		e.issuers = nil
		for i := range 30 {
			p.Intermediates = append(p.Intermediates, ids[0].Intermediate(leafOf.Cert.Subject.CommonName,
				testnet.Key(leafOf.Key), testnet.Template(func(c *x509.Certificate) {
					for j := range places {
						c.IssuingCertificateURL = append(c.IssuingCertificateURL, fmt.Sprintf("http://ca.example/%d/%d", i, j))
					}
				})).Cert)
		}
		p.Anchors = anchorsOf(testnet.NewPKI(t, now).Root("other"))
		spent := effort.Since()
		wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
		if len(e.wanted) != want || spent() > 20*time.Second {
			t.Errorf("%d places each: asked %d times in %v", places, len(e.wanted), spent())
		}
	}
}

func TestAS70_IssuersThatDoNotCome(t *testing.T) {
	coming := make(chan struct{})
	p, e, _ := apart(t, 2)
	for _, c := range []struct {
		name   string
		answer trust.Issuers
		want   reason.Code
		wait   bool
	}{
		{"on its way", trust.Issuers{Pending: coming}, reason.IssuerDown, true},
		{"down", trust.Issuers{Down: true, Detail: "http://ca.example/1: no answer"}, reason.IssuerDown, false},
		{"not there", trust.Issuers{}, reason.UntrustedAnchor, false},
		{"somebody else's", trust.Issuers{Certificates: []*x509.Certificate{testnet.NewPKI(t, now).Root("ca 2").Cert, nil}}, reason.UntrustedAnchor, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, at := range []string{"b.example", "ca 2"} {
				was := e.issuers[at]
				e.issuers[at] = c.answer
				v := trust.Judge(p)
				wantCode(t, v, c.want)
				if (v.Pending != nil) != c.wait {
					t.Errorf("pending: %v", v.Pending != nil)
				}
				e.issuers[at] = was
			}
		})
	}
}

// Nobody is asked about a certificate that is refused whatever comes.
func TestAS69_OnlyWhatWantsAnIssuerIsAskedFor(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, stranger := pki.Root("root"), pki.Root("stranger", aia("http://ca.example/stranger"))
	ec, free, at := testnet.EC(elliptic.P256()), testnet.Usage(0), aia("http://ca.example/")
	ca := root.Intermediate("ca", at)
	fake := stranger.Intermediate("ca", at)
	old := root.Intermediate("old", at, testnet.Valid(-2*time.Hour, -time.Hour))
	weak := root.Intermediate("weak", at, testnet.RSA(1024))
	mute := root.Intermediate("mute", at, testnet.Usage(x509.KeyUsageCRLSign))
	sha1Root, sha1Leaf := sha1Chain(t)
	for _, c := range []struct {
		name  string
		leaf  *x509.Certificate
		above []*x509.Certificate
		want  []string
	}{
		{"good", ca.Leaf("b.example", ec, free, at).Cert, nil, []string{"b.example"}},
		{"wrong address", ca.Leaf("c.example", ec, free, at).Cert, nil, nil},
		{"expired", ca.Leaf("b.example", ec, free, at, testnet.Valid(-2*time.Hour, -time.Hour)).Cert, nil, nil},
		{"weak key", ca.Leaf("b.example", testnet.RSA(1024), free, at).Cert, nil, nil},
		{"wrong usage", ca.Leaf("b.example", ec, testnet.Usage(x509.KeyUsageCRLSign), at).Cert, nil, nil},
		{"unknown critical extension", ca.Leaf("b.example", ec, free, at, testnet.Extension([]int{1, 2, 3, 4}, true, []byte{5, 0})).Cert, nil, nil},
		{"no place to ask", ca.Leaf("b.example", ec, free).Cert, nil, nil},
		{"signed with SHA-1", sha1Leaf, nil, nil},
		{"signed with SHA-1, and its issuer", sha1Leaf, []*x509.Certificate{sha1Root}, nil},
		{"self-signed", pki.SelfSigned("b.example", ec, free, at).Cert, nil, nil},
		{"issuer's look-alike", ca.Leaf("b.example", ec, free, at).Cert, testnet.Certs(fake), []string{"b.example"}},
		{"below an expired one", old.Leaf("b.example", ec, free, at).Cert, testnet.Certs(old), nil},
		{"below a weak one", weak.Leaf("b.example", ec, free, at).Cert, testnet.Certs(weak), nil},
		{"below one that may not", mute.Leaf("b.example", ec, free, at).Cert, testnet.Certs(mute), nil},
		{"below a stranger", stranger.Leaf("b.example", ec, free, at).Cert, testnet.Certs(stranger), []string{"b.example"}},
		{"further below a stranger", fake.Leaf("b.example", ec, free, at).Cert, testnet.Certs(fake, stranger), []string{"ca"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := &known{}
			p := trust.Params{Certificate: c.leaf, Purpose: trust.Encrypt, Address: address(t, "alice@b.example"), Evidence: e,
				Anchors: anchorsOf(pki.Root("another")), Intermediates: c.above, At: now}
			if v := trust.Judge(p); v.Code.IsOK() {
				t.Error("accepted")
			}
			if d := cmp.Diff(c.want, e.wanted); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
		})
	}
}

// A path that reaches the anchor and has a defect does not want an issuer.
func TestAS69_DefectIsNotMendedByAsking(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	old := root.Intermediate("old", aia("http://ca.example/1"), testnet.Valid(-2*time.Hour, -time.Hour))
	e := &known{}
	p := ask(t, old.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), aia("http://ca.example/2")), root)
	p.Intermediates, p.Evidence = testnet.Certs(old), e
	wantCode(t, trust.Judge(p), reason.BadPath)
	if len(e.wanted) != 0 {
		t.Errorf("asked for %v", e.wanted)
	}
}

// The key of an authority that signed itself may have been certified by ours.
func TestAS69_CrossCertificateIsFound(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, theirs := pki.Root("root"), pki.Root("theirs")
	ca := theirs.Intermediate("ca", aia("http://ca.example/theirs.p7c"))
	cross := root.Intermediate("theirs", testnet.Key(theirs.Key))
	p := ask(t, ca.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0)), root)
	p.Intermediates = testnet.Certs(ca, theirs)
	p.Evidence = &known{issuers: map[string]trust.Issuers{"ca": {Certificates: testnet.Certs(theirs, cross), Sources: []string{"http://ca.example/theirs.p7c"}}}}
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if d := cmp.Diff([]string{"b.example", "ca", "theirs", "root"}, subjects(v.Path)); d != "" {
		t.Errorf("path (-want +got):\n%s", d)
	}
}

// What is fetched gives no trust of its own.
func TestAS60_FetchedRootIsNotTrusted(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, theirs := pki.Root("root"), pki.Root("theirs")
	p := ask(t, theirs.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), aia("http://ca.example/")), root)
	p.Evidence = &known{issuers: map[string]trust.Issuers{"b.example": {Certificates: testnet.Certs(theirs)}}}
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
}

// AS-70: where an issuer was looked for in vain is told.
func TestAS70_WhereAnIssuerWasMissedIsTold(t *testing.T) {
	p, ids := chain(t)
	p.Intermediates = nil
	p.Certificate = ids["lower"].Leaf("b.example", testnet.Template(func(c *x509.Certificate) {
		c.IssuingCertificateURL = []string{"http://ca.example/lower.cer"}
	})).Cert
	e := &known{issuers: map[string]trust.Issuers{"b.example": {Detail: "http://ca.example/lower.cer: status 404"}}}
	p.Evidence = e
	v := trust.Judge(p)
	wantCode(t, v, reason.UntrustedAnchor)
	for _, said := range []string{v.Detail, v.IssuersMissed} {
		if !strings.Contains(said, "http://ca.example/lower.cer: status 404") {
			t.Errorf("it says %q", said)
		}
	}
	if len(e.wanted) != 1 {
		t.Errorf("asked %d times", len(e.wanted))
	}
}
