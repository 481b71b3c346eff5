package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/internal/testnet/effort"
	"postern/trust"
	"postern/trust/reason"
)

func subjects(path []*x509.Certificate) []string {
	var names []string
	for _, c := range path {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

func TestAS60_OnlyOurAnchorsAreTrusted(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	ours, theirs := pki.Root("ours"), pki.Root("theirs")
	leaf := theirs.Leaf("b.example")
	wantCode(t, trust.Judge(ask(t, leaf, ours)), reason.UntrustedAnchor)
	wantCode(t, trust.Judge(ask(t, leaf)), reason.NoAnchors)

	// A root that the message brings along is an intermediate at best.
	p := ask(t, leaf, ours)
	p.Intermediates = testnet.Certs(theirs)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)

	wantCode(t, trust.Judge(ask(t, pki.SelfSigned("b.example"), ours)), reason.UntrustedAnchor)
}

// Name and key identifier are what anybody can write; the key is not.
func TestAS60_LookAlikeAnchorIsNotTrusted(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	ski := testnet.Template(func(c *x509.Certificate) { c.SubjectKeyId = []byte("the very same key id") })
	ours, fake := pki.Root("root", ski), pki.Root("root", ski)
	leaf := fake.Leaf("b.example")
	if string(ours.Cert.SubjectKeyId) != string(leaf.Cert.AuthorityKeyId) || string(ours.Cert.RawSubject) != string(leaf.Cert.RawIssuer) {
		t.Fatal("the fake is not alike")
	}
	p := ask(t, leaf, ours)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	p.Intermediates = testnet.Certs(fake)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	if p.Anchors.Contains(fake.Cert) {
		t.Error("the fake passes for the anchor")
	}
}

func TestAS67_AnchorMayBeRootIntermediateOrLeaf(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	upper := root.Intermediate("upper")
	lower := upper.Intermediate("lower")
	leaf := lower.Leaf("b.example")
	for _, c := range []struct {
		anchor *testnet.Identity
		want   []string
	}{
		{root, []string{"b.example", "lower", "upper", "root"}},
		{upper, []string{"b.example", "lower", "upper"}},
		{lower, []string{"b.example", "lower"}},
		{leaf, []string{"b.example"}},
	} {
		t.Run(c.anchor.Cert.Subject.CommonName, func(t *testing.T) {
			p := ask(t, leaf, c.anchor)
			p.Intermediates = testnet.Certs(lower, upper)
			v := trust.Judge(p)
			wantCode(t, v, reason.OK)
			if d := cmp.Diff(c.want, subjects(v.Path)); d != "" {
				t.Errorf("path (-want +got):\n%s", d)
			}
			if v.Anchor == nil || !v.Anchor.Equal(c.anchor.Cert) || v.Binding != trust.ByDomain {
				t.Errorf("anchor %v, binding %q", v.Anchor, v.Binding)
			}
		})
	}
}

func TestAS67_SelfSignedLeafAsAnchor(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	leaf := pki.SelfSigned("b.example")
	wantCode(t, trust.Judge(ask(t, leaf, leaf)), reason.OK)
}

// An end certificate made an anchor vouches for itself and for nobody else.
func TestAS67_LeafAnchorIssuesNothing(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example")
	forged := leaf.Leaf("b.example")
	wantCode(t, trust.Judge(ask(t, forged, leaf)), reason.BadPath)
}

func TestAS68_DefectsOfThePath(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	flat := pki.Root("flat", testnet.PathLen(0))
	narrow := pki.Root("narrow", testnet.Template(func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"c.example"}
	}))
	ec := testnet.EC(elliptic.P256())
	for _, c := range []struct {
		name   string
		anchor *testnet.Identity
		above  *testnet.Identity
		want   reason.Code
	}{
		{"good", root, root.Intermediate("ca"), reason.OK},
		{"expired intermediate", root, root.Intermediate("old", testnet.Valid(-2*time.Hour, -time.Hour)), reason.BadPath},
		{"future intermediate", root, root.Intermediate("new", testnet.Valid(time.Hour, 2*time.Hour)), reason.BadPath},
		{"CP-28 intermediate within the skew", root, root.Intermediate("fresh", testnet.Valid(time.Minute, time.Hour)), reason.OK},
		{"not an authority", root, root.Intermediate("no ca", testnet.Template(func(c *x509.Certificate) { c.IsCA = false })), reason.BadPath},
		{"no basicConstraints", root, root.Intermediate("v3", testnet.Template(func(c *x509.Certificate) {
			c.IsCA, c.BasicConstraintsValid = false, false
		})), reason.BadPath},
		{"no certSign", root, root.Intermediate("mute", testnet.Usage(x509.KeyUsageCRLSign)), reason.BadPath},
		{"pathLen", flat, flat.Intermediate("too deep"), reason.BadPath},
		{"name constraints", narrow, narrow.Intermediate("other names"), reason.BadPath},
		{"unknown critical extension", root, root.Intermediate("odd", testnet.Extension([]int{1, 2, 3, 4}, true, []byte{5, 0})), reason.BadPath},
		{"missing intermediate", root, nil, reason.UntrustedAnchor},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer := c.above
			if issuer == nil {
				issuer = root.Intermediate("not sent")
			}
			p := ask(t, issuer.Leaf("b.example", ec), c.anchor)
			if c.above != nil {
				p.Intermediates = testnet.Certs(c.above)
			}
			v := trust.Judge(p)
			wantCode(t, v, c.want)
			t.Log(v.Detail)
		})
	}
}

// An authority that may issue for some names only says nothing that binds by
// the subject, whose emailAddress is not held to it.
func TestAS15_AS68_SubjectBindingIsRefusedUnderNameConstraints(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	bound := []testnet.Option{testnet.EC(elliptic.P256()), testnet.SAN(nil, nil), testnet.SubjectEmail("alice@b.example")}
	permit := func(change func(*x509.Certificate)) testnet.Option { return testnet.Template(change) }
	for _, c := range []struct {
		name string
		ca   *testnet.Identity
		want reason.Code
	}{
		{"none", root.Intermediate("free"), reason.OK},
		{"another domain's addresses", root.Intermediate("email", permit(func(c *x509.Certificate) {
			c.PermittedEmailAddresses = []string{"c.example"}
		})), reason.BadPath},
		{"the domain's own addresses", root.Intermediate("own", permit(func(c *x509.Certificate) {
			c.PermittedEmailAddresses = []string{"b.example"}
		})), reason.BadPath},
		{"excluded", root.Intermediate("excluded", permit(func(c *x509.Certificate) {
			c.ExcludedEmailAddresses = []string{"b.example"}
		})), reason.BadPath},
		{"other kinds of names", root.Intermediate("dns", permit(func(c *x509.Certificate) {
			c.PermittedDNSDomains = []string{"b.example"}
		})), reason.BadPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf := c.ca.Leaf("b.example", bound...)
			p := ask(t, leaf, root)
			p.Profile, p.Intermediates = trust.V12, testnet.Certs(c.ca)
			v := trust.Judge(p)
			wantCode(t, v, c.want)
			if v.Binding != trust.BySubject {
				t.Errorf("bound by %q", v.Binding)
			}
			wantCode(t, trust.Judge(with(p, leaf)), reason.OK)
		})
	}
}

// with returns p with the certificate itself as its only anchor.
func with(p trust.Params, leaf *testnet.Identity) trust.Params {
	p.Anchors = anchorsOf(leaf)
	return p
}

func TestAS68_SHA1SignedCertificateIsRefused(t *testing.T) {
	root, leaf := sha1Chain(t)
	p := trust.Params{Certificate: leaf, Purpose: trust.Encrypt, Address: address(t, "alice@b.example"),
		Anchors: trust.NewAnchors([]*x509.Certificate{root}), At: leaf.NotBefore.Add(time.Hour)}
	wantCode(t, trust.Judge(p), reason.BadPath)
}

func TestAS68_TamperedCertificateIsRefused(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example")
	der := append([]byte(nil), leaf.Cert.Raw...)
	der[len(der)-1] ^= 1
	tampered, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := ask(t, leaf, root)
	p.Certificate = tampered
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
}

func TestTB19_ExpiredAnchorIsIgnored(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	old := pki.Root("root", testnet.Valid(-2*time.Hour, -time.Hour))
	leaf := old.Leaf("b.example")
	wantCode(t, trust.Judge(ask(t, leaf, old)), reason.BadPath)

	// The same authority, renewed: the old anchor beside it does not disturb.
	renewed := pki.Root("root", testnet.Key(old.Key))
	wantCode(t, trust.Judge(ask(t, leaf, old, renewed)), reason.OK)
}

func TestAS70_PathsAreBounded(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	chain := func(n int) (*testnet.Identity, []*x509.Certificate) {
		ca, certs := root, []*x509.Certificate(nil)
		for i := range n {
			ca = ca.Intermediate(fmt.Sprintf("ca %d", i))
			certs = append(certs, ca.Cert)
		}
		return ca.Leaf("b.example", testnet.EC(elliptic.P256())), certs
	}
	const most = 10 // certificates, the leaf and the root among them
	for n, want := range map[int]reason.Code{most - 2: reason.OK, most - 1: reason.BadPath} {
		leaf, above := chain(n)
		p := ask(t, leaf, root)
		p.Intermediates = above
		wantCode(t, trust.Judge(p), want)
	}
}

func TestAS70_ManyIntermediatesOfOneNameCostLittle(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ours := root.Intermediate("ca")
	var crowd []*x509.Certificate
	for range 500 {
		crowd = append(crowd, pki.Root("ca").Cert)
	}
	p := ask(t, ours.Leaf("b.example"), root)
	p.Intermediates = crowd
	spent := effort.Since()
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	if took := spent(); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
	p.Intermediates = append(testnet.Certs(ours), crowd...)
	wantCode(t, trust.Judge(p), reason.OK)
}
