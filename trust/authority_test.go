package trust_test

import (
	"crypto/elliptic"
	_ "crypto/md5" //nolint:gosec // to be refused
	_ "crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/internal/testnet/effort"
	"postern/trust"
	"postern/trust/reason"
)

// plain are the options of a leaf that costs little to make.
func plain(more ...testnet.Option) []testnet.Option {
	return append([]testnet.Option{testnet.EC(elliptic.P256()), testnet.Usage(0)}, more...)
}

// AS-67: of two authorities with the same name and the same key identifier only
// the one whose key signed counts, as an anchor and on the way.
func TestAS67_OnlyTheKeyThatSignedCounts(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	ski := testnet.Template(func(c *x509.Certificate) { c.SubjectKeyId = []byte("the very same key id") })
	root := pki.Root("root")
	ours, fake := root.Intermediate("ca", ski), root.Intermediate("ca", ski)
	leaf := ours.Leaf("b.example", plain()...)

	p := ask(t, leaf, root)
	p.Intermediates = testnet.Certs(fake)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	p.Anchors = anchorsOf(fake)
	p.Intermediates = testnet.Certs(ours)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)

	// Beside the true one the false one does no harm, in either order.
	for _, sent := range [][]*testnet.Identity{{fake, ours}, {ours, fake}} {
		p := ask(t, leaf, root)
		p.Intermediates = testnet.Certs(sent...)
		v := trust.Judge(p)
		wantCode(t, v, reason.OK)
		if len(v.Path) == 3 && v.Path[1] != ours.Cert {
			t.Error("the path is over the false one")
		}
		p = ask(t, leaf, sent...)
		v = trust.Judge(p)
		wantCode(t, v, reason.OK)
		if v.Anchor != ours.Cert {
			t.Error("the anchor is the false one")
		}
	}
}

// AS-67: another certificate of the anchor's name and key is not the anchor, yet
// what it issued the anchor issued as well.
func TestAS67_SameKeyInAnotherCertificate(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	again := pki.Root("root", testnet.Key(root.Key))
	v := trust.Judge(ask(t, again.Leaf("b.example", plain()...), root))
	wantCode(t, v, reason.OK)
	if v.Anchor != root.Cert {
		t.Error("the anchor is not ours")
	}
	leaf := root.Leaf("b.example", plain()...)
	renewed := root.Leaf("b.example", plain(testnet.Key(leaf.Key))...)
	wantCode(t, trust.Judge(ask(t, renewed, leaf)), reason.UntrustedAnchor)
}

func TestAS68_CrossSignedAuthority(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	ours, theirs := pki.Root("ours"), pki.Root("theirs")
	ca := theirs.Intermediate("ca")
	cross := ours.Intermediate("theirs", testnet.Key(theirs.Key))
	p := ask(t, ca.Leaf("b.example", plain()...), ours)
	p.Intermediates = testnet.Certs(ca, theirs, cross)
	v := trust.Judge(p)
	wantCode(t, v, reason.OK)
	if got := fmt.Sprint(subjects(v.Path)); got != "[b.example ca theirs ours]" {
		t.Errorf("path %s", got)
	}
}

// AS-70: two that certified each other, without an end, and many of them.
func TestAS70_LoopsEnd(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, a, b := pki.Root("root"), pki.Root("a"), pki.Root("b")
	ab, ba := a.Intermediate("b", testnet.Key(b.Key)), b.Intermediate("a", testnet.Key(a.Key))
	p := ask(t, a.Leaf("b.example", plain()...), root)
	p.Intermediates = testnet.Certs(ab, ba)
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)

	// The way out of the loop is found.
	p.Intermediates = testnet.Certs(ab, ba, root.Intermediate("b", testnet.Key(b.Key)))
	wantCode(t, trust.Judge(p), reason.OK)

	var web []*x509.Certificate
	keys := []*testnet.Identity{a, b}
	for i := range 8 {
		keys = append(keys, pki.Root(fmt.Sprintf("k%d", i)))
	}
	for _, x := range keys {
		for _, y := range keys {
			web = append(web, x.Intermediate(y.Cert.Subject.CommonName, testnet.Key(y.Key)).Cert)
		}
	}
	p.Intermediates = web
	spent := effort.Since()
	wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
	if took := spent(); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestAS68_UnknownCriticalExtensionAnywhere(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	odd, known := testnet.Extension([]int{1, 2, 3, 4}, true, []byte{5, 0}), testnet.Extension([]int{1, 2, 3, 4}, false, []byte{5, 0})
	root, oddRoot := pki.Root("root"), pki.Root("odd root", odd)
	ca, oddCA := root.Intermediate("ca"), root.Intermediate("odd ca", odd)
	for _, c := range []struct {
		name         string
		anchor, leaf *testnet.Identity
		above        []*testnet.Identity
		want         reason.Code
	}{
		{"not critical", root, ca.Leaf("b.example", plain(known)...), []*testnet.Identity{ca}, reason.OK},
		{"in the certificate", root, ca.Leaf("b.example", plain(odd)...), []*testnet.Identity{ca}, reason.BadPath},
		{"in the intermediate", root, oddCA.Leaf("b.example", plain()...), []*testnet.Identity{oddCA}, reason.BadPath},
		{"in the anchor", oddRoot, oddRoot.Leaf("b.example", plain()...), nil, reason.BadPath},
		{"in the intermediate that is the anchor", oddCA, oddCA.Leaf("b.example", plain()...), nil, reason.BadPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ask(t, c.leaf, c.anchor)
			p.Intermediates = testnet.Certs(c.above...)
			v := trust.Judge(p)
			wantCode(t, v, c.want)
			if c.want != reason.OK && !strings.Contains(v.Detail, "1.2.3.4") {
				t.Errorf("the detail is %q", v.Detail)
			}
		})
	}
	leaf := root.Leaf("b.example", plain(odd)...)
	wantCode(t, trust.Judge(ask(t, leaf, leaf)), reason.BadPath)
}

func TestAS68_WhatMakesAnAuthority(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca")
	none := testnet.Extension([]int{2, 5, 29, 15}, true, []byte{0x03, 0x02, 0x07, 0x00})
	oldRoot := resign(t, root, root, ecdsaSHA256, oldVersion)
	for _, c := range []struct {
		name   string
		anchor *testnet.Identity
		above  *testnet.Identity
		want   reason.Code
	}{
		{"keyUsage absent", root, root.Intermediate("ca 1", testnet.Usage(0)), reason.OK},
		{"keyUsage without any bit", root, root.Intermediate("ca 2", testnet.Usage(0), none), reason.BadPath},
		{"keyUsage of the anchor without any bit", pki.Root("ca 3", testnet.Usage(0), none), nil, reason.BadPath},
		{"anchor of version 1", oldRoot, nil, reason.OK},
		{"intermediate of version 1", root, resign(t, ca, root, ecdsaSHA256, oldVersion), reason.BadPath},
		{"anchor that is no authority", pki.Root("ca 4", testnet.Template(func(c *x509.Certificate) { c.IsCA = false })), nil, reason.BadPath},
		{"pathLen of the anchor used up", pki.Root("ca 5", testnet.PathLen(0)), nil, reason.OK},
		{"signed with ECDSA and SHA-1", root, resign(t, ca, root, ecdsaSHA1, func(*body) {}), reason.BadPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer := c.above
			if issuer == nil {
				issuer = c.anchor
			}
			p := ask(t, issuer.Leaf("b.example", plain()...), c.anchor)
			p.Intermediates = testnet.Certs(issuer)
			wantCode(t, trust.Judge(p), c.want)
		})
	}
}

func TestAS68_MD5SignedCertificateIsRefused(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root", testnet.RSA(2048))
	leaf := resign(t, root.Leaf("b.example", plain()...), root, rsaMD5, func(b *body) {
		b.Algorithm.Parameters = asn1.NullRawValue
	})
	v := trust.Judge(ask(t, leaf, root))
	wantCode(t, v, reason.BadPath)
	if !strings.Contains(v.Detail, "MD5") {
		t.Errorf("the detail is %q", v.Detail)
	}
}

// AS-31: what may sign certificates is listed, so that what nobody thought of may
// not, and the reason is that and not a missing issuer.
func TestAS31_CertificateSignedWithAnAlgorithmThatIsNotListed(t *testing.T) {
	root := testnet.NewPKI(t, now).Root("root", testnet.RSA(2048))
	leaf := resign(t, root.Leaf("b.example", plain()...), root, rsaSHA224, func(b *body) {
		b.Algorithm.Parameters = asn1.NullRawValue
	})
	v := trust.Judge(ask(t, leaf, root))
	wantCode(t, v, reason.BadPath)
	if !strings.Contains(v.Detail, "an algorithm that is not known") {
		t.Errorf("the detail is %q", v.Detail)
	}
}

// AS-10: certificates are of version 3, even where v1.2 needs no extension.
func TestAS10_VersionOneIsNoDirectCertificate(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example", plain(testnet.SAN(nil, nil), testnet.SubjectEmail("alice@b.example"))...)
	p := ask(t, leaf, root)
	p.Profile = trust.V12
	wantCode(t, trust.Judge(p), reason.OK)
	p.Certificate = resign(t, leaf, root, ecdsaSHA256, oldVersion).Cert
	wantCode(t, trust.Judge(p), reason.BadPath)
	p.Anchors = trust.NewAnchors([]*x509.Certificate{p.Certificate})
	wantCode(t, trust.Judge(p), reason.BadPath)
}

// CP-28 and TB-19 hold for every certificate of the path.
func TestCP28_DatesOfEveryCertificate(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to time.Duration
		want     reason.Code
	}{
		{"in date", -time.Hour, time.Hour, reason.OK},
		{"last second", -time.Hour, 0, reason.OK},
		{"ended a second ago", -time.Hour, -time.Second, reason.BadPath},
		{"begins within the skew", 4 * time.Minute, time.Hour, reason.OK},
		{"begins after the skew", 5*time.Minute + time.Second, time.Hour, reason.BadPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			pki := testnet.NewPKI(t, now)
			dates := testnet.Valid(c.from, c.to)
			root, dated := pki.Root("root"), pki.Root("dated", dates)
			wantCode(t, trust.Judge(ask(t, dated.Leaf("b.example", plain()...), dated)), c.want) // TB-19
			ca := root.Intermediate("ca", dates)
			wantCode(t, trust.Judge(ask(t, ca.Leaf("b.example", plain()...), ca)), c.want)
			p := ask(t, ca.Leaf("b.example", plain()...), root)
			p.Intermediates = testnet.Certs(ca)
			wantCode(t, trust.Judge(p), c.want)
		})
	}
}

// AS-68: an authority may ask that policies be stated (RFC 5280 §4.2.1.11).
func TestAS68_RequiredPolicies(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("ca", policies(t, otherPolicy), testnet.Extension([]int{2, 5, 29, 36}, true, []byte{0x30, 3, 0x80, 1, 0}))
	for _, c := range []struct {
		leaf *testnet.Identity
		want reason.Code
	}{
		{ca.Leaf("b.example", plain(policies(t, otherPolicy))...), reason.OK},
		{ca.Leaf("b.example", plain(policies(t, evPolicy))...), reason.BadPath},
		{ca.Leaf("b.example", plain()...), reason.BadPath},
	} {
		p := ask(t, c.leaf, root)
		p.Intermediates = testnet.Certs(ca)
		wantCode(t, trust.Judge(p), c.want)
	}
}
