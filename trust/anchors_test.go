package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

func demanding(t testing.TB, id *testnet.Identity, policies ...string) *trust.Anchors {
	t.Helper()
	a := trust.Anchor{Certificate: id.Cert}
	for _, p := range policies {
		a.Policies = append(a.Policies, oid(t, p))
	}
	return trust.AnchorsWithPolicies([]trust.Anchor{a})
}

// TB-8: what leads to an anchor with policies must name all of them, itself.
func TestTB8_PoliciesOfAnAnchor(t *testing.T) {
	const one, two, other = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2", "1.3.6.1.4.1.99999.3"
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca", policies(t, anyPolicy))
	for name, tt := range map[string]struct {
		wanted, named []string
		want          reason.Code
	}{
		"none wanted":        {nil, nil, reason.OK},
		"none wanted, one":   {nil, []string{other}, reason.OK},
		"named":              {[]string{one}, []string{one}, reason.OK},
		"among others":       {[]string{one}, []string{other, one}, reason.OK},
		"both":               {[]string{one, two}, []string{two, one}, reason.OK},
		"no policy":          {[]string{one}, nil, reason.PolicyMissing},
		"another":            {[]string{one}, []string{other}, reason.PolicyMissing},
		"one of two":         {[]string{one, two}, []string{one}, reason.PolicyMissing},
		"any policy":         {[]string{one}, []string{anyPolicy}, reason.PolicyMissing},
		"any policy, wanted": {[]string{anyPolicy}, []string{one}, reason.PolicyMissing},
	} {
		t.Run(name, func(t *testing.T) {
			for issuer, chain := range map[*testnet.Identity][]*x509.Certificate{root: nil, ca: testnet.Certs(ca)} {
				p := ask(t, issuer.Leaf("b.example", policies(t, tt.named...), testnet.EC(elliptic.P256())))
				p.Anchors, p.Intermediates = demanding(t, root, tt.wanted...), chain
				wantCode(t, trust.Judge(p), tt.want)
			}
		})
	}
}

// TB-8: an anchor that is the certificate itself is under its own policies.
func TestTB8_AnEndCertificateAsAnAnchor(t *testing.T) {
	leaf := testnet.NewPKI(t, now).SelfSigned("b.example")
	p := ask(t, leaf)
	p.Anchors = demanding(t, leaf)
	wantCode(t, trust.Judge(p), reason.OK)
	p.Anchors = demanding(t, leaf, "1.2.3")
	wantCode(t, trust.Judge(p), reason.PolicyMissing)
}

// TB-18: sources add up. An anchor that one source gives without policies, or a
// second anchor on the way, is enough.
func TestTB18_SourcesAddUp(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, other := pki.Root("root"), pki.Root("other")
	ca := root.Intermediate("ca")
	p := ask(t, ca.Leaf("b.example", policies(t, "1.2.4")))
	p.Intermediates = testnet.Certs(ca)
	strict, loose := demanding(t, root, "1.2.3", "1.2.5"), trust.NewAnchors(testnet.Certs(root))
	for name, tt := range map[string]struct {
		sets []*trust.Anchors
		want reason.Code
	}{
		"nothing":              {nil, reason.NoAnchors},
		"nothing known":        {[]*trust.Anchors{nil, {}, trust.NewAnchors(nil)}, reason.NoAnchors},
		"alone":                {[]*trust.Anchors{strict}, reason.PolicyMissing},
		"with others":          {[]*trust.Anchors{anchorsOf(other), strict}, reason.PolicyMissing},
		"without policies":     {[]*trust.Anchors{strict, loose}, reason.OK},
		"the other way round":  {[]*trust.Anchors{loose, nil, strict}, reason.OK},
		"with a policy it has": {[]*trust.Anchors{strict, demanding(t, root, "1.2.4")}, reason.OK},
		"two with others":      {[]*trust.Anchors{strict, demanding(t, root, "1.2.6")}, reason.PolicyMissing},
		"the intermediate":     {[]*trust.Anchors{strict, anchorsOf(ca)}, reason.OK},
		"others alone":         {[]*trust.Anchors{anchorsOf(other), anchorsOf(pki.Root("third"))}, reason.UntrustedAnchor},
		"joined twice":         {[]*trust.Anchors{trust.Join(strict, strict), trust.Join(anchorsOf(other), loose)}, reason.OK},
	} {
		t.Run(name, func(t *testing.T) {
			p.Anchors = trust.Join(tt.sets...)
			wantCode(t, trust.Judge(p), tt.want)
		})
	}
}

// Two parts with one name: the anchor of the signature is found, whichever part
// it is in, and once.
func TestJoinedSetsOfOneName(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	one, two := pki.Root("root"), pki.Root("root")
	joined := trust.Join(anchorsOf(one, two), anchorsOf(two))
	if joined.Len() != 3 || len(joined.All()) != 2 || !joined.Contains(two.Cert) || !joined.Has(trust.FingerprintOf(one.Cert)) {
		t.Errorf("%d anchors, %d different", joined.Len(), len(joined.All()))
	}
	p := ask(t, two.Leaf("b.example"))
	p.Anchors = joined
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if !v.Anchor.Equal(two.Cert) {
		t.Error("the wrong anchor")
	}
}

// TB-19: an anchor that ended is of no use, and does not hide another of its name
// in a set that it is joined with.
func TestTB19_ExpiredAnchors(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	expired, ours := pki.Root("root", testnet.Valid(-2*time.Hour, -time.Hour)), pki.Root("root")
	p := ask(t, expired.Leaf("b.example"))
	p.Anchors = anchorsOf(expired)
	wantCode(t, trust.Judge(p), reason.BadPath)
	p = ask(t, ours.Leaf("b.example"))
	p.Anchors = trust.Join(anchorsOf(expired), anchorsOf(ours))
	wantCode(t, trust.Judge(p), reason.OK)
}

// Thousands of anchors of one name, which a community has no use for, cost no more
// than a hundred, and the one whose key is named is found.
func TestACrowdOfAnchorsOfOneName(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	ours, stranger := pki.Root("root"), pki.Root("root")
	crowd := make([]*x509.Certificate, 0, 20001)
	for i := range 20000 {
		c := *stranger.Cert // not as it was signed, which only tells them apart
		c.Raw = fmt.Appendf(nil, "%s%d", stranger.Cert.Raw, i)
		c.SubjectKeyId = fmt.Appendf(nil, "%d", i)
		crowd = append(crowd, &c)
	}
	sets := trust.Join(trust.NewAnchors(crowd), trust.NewAnchors(append(crowd, ours.Cert)))
	p := ask(t, ours.Intermediate("ca").Leaf("b.example", testnet.EC(elliptic.P256())))
	p.Anchors = sets
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	within(t, func() {
		for range 20 {
			p := ask(t, ours.Leaf("b.example", testnet.EC(elliptic.P256())))
			p.Anchors = sets
			wantCode(t, trust.Judge(p), reason.OK)
			p = ask(t, pki.Root("root").Leaf("b.example", testnet.EC(elliptic.P256())))
			p.Anchors = sets
			wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
		}
	})
}

// BenchmarkJudgeJoined is BenchmarkJudgeAnchors over sets that were joined.
func BenchmarkJudgeJoined(b *testing.B) {
	pki := testnet.NewPKI(b, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca")
	var sets []*trust.Anchors
	for s := range 8 {
		var certs []*x509.Certificate
		for i := range 1250 {
			certs = append(certs, pki.Root(fmt.Sprintf("root %d.%d", s, i)).Cert)
		}
		sets = append(sets, trust.NewAnchors(certs))
	}
	sets = append(sets, anchorsOf(root))
	p := ask(b, ca.Leaf("b.example"))
	p.Intermediates = testnet.Certs(ca)
	b.Run("join", func(b *testing.B) {
		for b.Loop() {
			p.Anchors = trust.Join(sets...)
		}
	})
	b.Run("judge", func(b *testing.B) {
		for b.Loop() {
			if v := trust.Judge(p); !v.Code.IsOK() {
				b.Fatal(v.Detail)
			}
		}
	})
}
