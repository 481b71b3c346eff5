package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// known is evidence as it might be known already: by subject name.
type known struct {
	revocations map[string]trust.Revocation
	issuers     map[string]trust.Issuers
	asked       []string // for revocation
	wanted      []string // for issuers
	check       func(of, issuer *x509.Certificate)
}

func (k *known) Issuers(of *x509.Certificate) trust.Issuers {
	k.wanted = append(k.wanted, of.Subject.CommonName)
	return k.issuers[of.Subject.CommonName]
}

func (k *known) Revocation(of, issuer *x509.Certificate, at time.Time) trust.Revocation {
	k.asked = append(k.asked, of.Subject.CommonName)
	if k.check != nil {
		k.check(of, issuer)
	}
	r, ok := k.revocations[of.Subject.CommonName]
	if !ok {
		return trust.Revocation{Certificate: of, Status: trust.NotRevoked, Method: "crl"}
	}
	return r
}

// chain is a root, two authorities and a leaf for b.example.
func chain(t testing.TB) (p trust.Params, ids map[string]*testnet.Identity) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	upper := root.Intermediate("upper")
	lower := upper.Intermediate("lower")
	leaf := lower.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0))
	p = ask(t, leaf, root)
	p.Intermediates = testnet.Certs(lower, upper)
	return p, map[string]*testnet.Identity{"root": root, "upper": upper, "lower": lower, "leaf": leaf}
}

func TestAS71_AS72_EveryCertificateButTheAnchorIsAskedFor(t *testing.T) {
	p, ids := chain(t)
	issuers := map[string]string{}
	e := &known{check: func(of, issuer *x509.Certificate) {
		issuers[of.Subject.CommonName] = issuer.Subject.CommonName
		if of.CheckSignatureFrom(issuer) != nil {
			t.Errorf("%s was not issued by %s", of.Subject, issuer.Subject)
		}
	}}
	p.Evidence = e
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	want := map[string]string{"b.example": "lower", "lower": "upper", "upper": "root"}
	if d := cmp.Diff(want, issuers); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	var in []string
	for _, r := range v.Revocations {
		in = append(in, r.Certificate.Subject.CommonName)
	}
	if d := cmp.Diff([]string{"b.example", "lower", "upper"}, in); d != "" {
		t.Errorf("revocations (-want +got):\n%s", d)
	}

	// The operator vouches for an anchor; nobody else is asked.
	e.asked = nil
	wantCode(t, trust.Judge(with(p, ids["leaf"])), reason.OK)
	if len(e.asked) != 0 {
		t.Errorf("asked for %v", e.asked)
	}
}

func TestAS71_RevokedIsNeverBelieved(t *testing.T) {
	revoked := trust.Revocation{Status: trust.IsRevoked, Method: "crl", Source: "http://ca.example/x.crl", Detail: "key compromise",
		RevokedAt: now.Add(-48 * time.Hour), ThisUpdate: now.Add(-time.Hour)}
	for _, name := range []string{"b.example", "lower", "upper"} {
		for _, policy := range []trust.RevocationPolicy{trust.SoftFail, trust.HardFail} {
			p, _ := chain(t)
			p.Revocation = policy
			p.Evidence = &known{revocations: map[string]trust.Revocation{name: revoked}}
			v := trust.Judge(p)
			wantCode(t, v, reason.Revoked)
			for _, part := range []string{name, "2026-02-27", "key compromise", "crl http://ca.example/x.crl of 2026-03-01"} {
				if !strings.Contains(v.Detail, part) {
					t.Errorf("the detail %q lacks %q", v.Detail, part)
				}
			}
			if len(v.Revocations) != 3 || v.Pending != nil {
				t.Errorf("%d revocations, pending %v", len(v.Revocations), v.Pending)
			}
		}
	}
}

func TestAS73_NoAnswerIsJudgedByPolicy(t *testing.T) {
	for _, c := range []struct {
		status     trust.RevocationStatus
		soft, hard reason.Code
	}{
		{trust.NotRevoked, reason.OK, reason.OK},
		{trust.RevocationUnknown, reason.OK, reason.RevocationDown},
		{trust.RevocationUnstated, reason.OK, reason.NoRevocation},
		{"", reason.OK, reason.RevocationDown},
		{"whatever", reason.OK, reason.RevocationDown},
		{trust.IsRevoked, reason.Revoked, reason.Revoked},
	} {
		for _, name := range []string{"b.example", "upper"} {
			p, _ := chain(t)
			p.Evidence = &known{revocations: map[string]trust.Revocation{name: {Status: c.status}}}
			wantCode(t, trust.Judge(p), c.soft)
			p.Revocation = trust.HardFail
			v := trust.Judge(p)
			wantCode(t, v, c.hard)
			if !c.hard.IsOK() && !strings.Contains(v.Detail, name) {
				t.Errorf("the detail %q does not name %s", v.Detail, name)
			}
		}
	}
}

// AS-74: an answer by OCSP is as good as a list, and the verdict says which it was.
func TestAS74_EitherMethodCounts(t *testing.T) {
	for _, method := range []string{"crl", "ocsp"} {
		for status, want := range map[trust.RevocationStatus]reason.Code{trust.NotRevoked: reason.OK, trust.IsRevoked: reason.Revoked} {
			p, _ := chain(t)
			p.Revocation = trust.HardFail
			answer := trust.Revocation{Status: status, Method: method, Source: "http://ca.example/", ThisUpdate: now.Add(-time.Hour)}
			p.Evidence = &known{revocations: map[string]trust.Revocation{"b.example": answer}}
			v := trust.Judge(p)
			wantCode(t, v, want)
			answer.Certificate = p.Certificate
			if d := cmp.Diff(answer, v.Revocations[0], cmp.Comparer((*x509.Certificate).Equal)); d != "" {
				t.Errorf("revocation (-want +got):\n%s", d)
			}
		}
	}
}

// A gateway without evidence does not pass for one that knows.
func TestAS73_WithoutEvidenceHardFailRefuses(t *testing.T) {
	p, ids := chain(t)
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if len(v.Revocations) != 3 || v.Revocations[0].Status != "" {
		t.Errorf("revocations %v", v.Revocations)
	}
	p.Revocation = trust.HardFail
	wantCode(t, trust.Judge(p), reason.RevocationDown)
	p.Revocation = 7
	wantCode(t, trust.Judge(p), reason.RevocationDown)
	wantCode(t, trust.Judge(with(p, ids["leaf"])), reason.OK)
}

func TestRevocationThatIsOnItsWay(t *testing.T) {
	coming := make(chan struct{})
	pending := trust.Revocation{Status: trust.RevocationUnknown, Pending: coming}
	for _, policy := range []trust.RevocationPolicy{trust.SoftFail, trust.HardFail} {
		p, _ := chain(t)
		e := &known{revocations: map[string]trust.Revocation{"lower": pending}}
		p.Evidence, p.Revocation = e, policy
		v := trust.Judge(p)
		wantCode(t, v, reason.RevocationDown)
		if v.Pending != coming || len(e.asked) != 3 {
			t.Errorf("pending %v, asked for %v", v.Pending, e.asked)
		}
		// Somebody else is revoked for certain: there is nothing to wait for.
		e.revocations["upper"] = trust.Revocation{Status: trust.IsRevoked}
		v = trust.Judge(p)
		wantCode(t, v, reason.Revoked)
		if v.Pending != nil {
			t.Error("pending")
		}
		// An answer that is there is not waited for again.
		e.revocations = map[string]trust.Revocation{"lower": {Status: trust.NotRevoked, Pending: coming}}
		v = trust.Judge(p)
		wantCode(t, v, reason.OK)
		if v.Pending != nil {
			t.Error("pending")
		}
	}
}

// What is refused for another reason is not asked for.
func TestAS71_NoQuestionForWhatIsRefusedAlready(t *testing.T) {
	p, _ := chain(t)
	e := &known{}
	p.Evidence = e
	p.At = now.AddDate(20, 0, 0)
	wantCode(t, trust.Judge(p), reason.Expired)
	p.At, p.Intermediates = now, nil
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	if len(e.asked) != 0 {
		t.Errorf("asked for %v", e.asked)
	}
}

// AS-64 in spirit: of two paths the one that holds is enough, though not for a
// certificate that is revoked itself.
func TestAS64_AnotherPathIsEnough(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	one := root.Intermediate("ca")
	other := root.Intermediate("ca", testnet.Key(one.Key))
	leaf := one.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0))
	p := ask(t, leaf, root)
	p.Intermediates = testnet.Certs(one, other)
	by := bySerial{}
	p.Evidence = by

	by[one.Cert.SerialNumber.String()] = trust.Revocation{Status: trust.IsRevoked}
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if len(v.Path) != 3 || v.Path[1] != other.Cert || v.Revocations[1].Status != trust.NotRevoked {
		t.Errorf("path %v", subjects(v.Path))
	}

	coming := make(chan struct{})
	by[other.Cert.SerialNumber.String()] = trust.Revocation{Pending: coming}
	v = trust.Judge(p)
	wantCode(t, v, reason.RevocationDown)
	if v.Pending != coming {
		t.Error("not pending")
	}

	by[other.Cert.SerialNumber.String()] = trust.Revocation{Status: trust.IsRevoked}
	wantCode(t, trust.Judge(p), reason.Revoked)

	clear(by)
	by[leaf.Cert.SerialNumber.String()] = trust.Revocation{Status: trust.IsRevoked}
	wantCode(t, trust.Judge(p), reason.Revoked)
}

type bySerial map[string]trust.Revocation

func (b bySerial) Issuers(*x509.Certificate) trust.Issuers { return trust.Issuers{} }

func (b bySerial) Revocation(of, _ *x509.Certificate, _ time.Time) trust.Revocation {
	r, ok := b[of.SerialNumber.String()]
	if !ok {
		r.Status = trust.NotRevoked
	}
	return r
}

// A stranger could have us hold a hundred paths against revocation.
func TestAS70_FewPathsAreHeldAgainstRevocation(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	one := root.Intermediate("ca")
	p := ask(t, one.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0)), root)
	for range 20 {
		p.Intermediates = append(p.Intermediates, root.Intermediate("ca", testnet.Key(one.Key)).Cert)
	}
	e := &known{revocations: map[string]trust.Revocation{"ca": {Status: trust.IsRevoked}}}
	p.Evidence = e
	wantCode(t, trust.Judge(p), reason.Revoked)
	if len(e.asked) > 8 {
		t.Errorf("asked %d times", len(e.asked))
	}
}

// AS-73: what will never pass is refused at once, whatever else is on its way or
// down.
func TestAS73_WithoutASourceNobodyWaits(t *testing.T) {
	for name, leaf := range map[string]trust.Revocation{
		"on its way": {Pending: make(chan struct{})},
		"down":       {Status: trust.RevocationUnknown},
	} {
		p, _ := chain(t)
		p.Revocation = trust.HardFail
		p.Evidence = &known{revocations: map[string]trust.Revocation{"b.example": leaf, "upper": {Status: trust.RevocationUnstated}}}
		v := trust.Judge(p)
		if v.Code != reason.NoRevocation || v.Pending != nil {
			t.Errorf("%s: %s, pending %v", name, v.Code, v.Pending != nil)
		}
	}
}
