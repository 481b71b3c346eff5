package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"strconv"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

func oid(t testing.TB, s string) x509.OID {
	t.Helper()
	o, err := x509.ParseOID(s)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func policies(t testing.TB, all ...string) testnet.Option {
	return testnet.Template(func(c *x509.Certificate) {
		for _, s := range all {
			c.Policies = append(c.Policies, oid(t, s))
		}
	})
}

// mappings is a PolicyMappings of one policy to another.
func mappings(t testing.TB, from, to string) []byte {
	t.Helper()
	type mapping struct{ Issuer, Subject asn1.ObjectIdentifier }
	der, err := asn1.Marshal([]mapping{{identifier(t, from), identifier(t, to)}})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func identifier(t testing.TB, s string) asn1.ObjectIdentifier {
	t.Helper()
	var id asn1.ObjectIdentifier
	for _, arc := range strings.Split(s, ".") {
		n, err := strconv.Atoi(arc)
		if err != nil {
			t.Fatal(err)
		}
		id = append(id, n)
	}
	return id
}

const (
	evPolicy    = "2.23.140.1.1"
	otherPolicy = "1.3.6.1.4.1.99999.1"
	anyPolicy   = "2.5.29.32.0"
)

// AS-23: a domain may ask for more of a signer than an anchor.
func TestAS23_BB36_SignerPolicies(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	community, evRoot, stranger := pki.Root("community"), pki.Root("ev root"), pki.Root("stranger")
	evCA, plainCA := evRoot.Intermediate("ev ca", policies(t, anyPolicy)), evRoot.Intermediate("no policy ca")
	otherCA := evRoot.Intermediate("other ca", policies(t, otherPolicy))
	// RFC 5280 §4.2.1.14, §4.2.1.5 and §4.2.1.11.
	noAny := evRoot.Intermediate("inhibiting ca", policies(t, evPolicy), testnet.Extension([]int{2, 5, 29, 54}, true, []byte{2, 1, 0}))
	mapped := testnet.Extension([]int{2, 5, 29, 33}, true, mappings(t, evPolicy, otherPolicy))
	mapping := evRoot.Intermediate("mapping ca", policies(t, evPolicy), mapped)
	noMapping := testnet.Extension([]int{2, 5, 29, 36}, true, []byte{0x30, 3, 0x81, 1, 0})
	above := evRoot.Intermediate("no mapping ca", policies(t, evPolicy), noMapping)
	notMapping := above.Intermediate("mapping in vain", policies(t, evPolicy), mapped)
	both := community.Intermediate("ev root", testnet.Key(evRoot.Key))
	leaf := func(ca *testnet.Identity, p ...string) *testnet.Identity {
		return ca.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), policies(t, p...))
	}
	const (
		ok, untrusted, policy = reason.OK, reason.UntrustedAnchor, reason.SignerPolicy
	)
	for _, c := range []struct {
		name                  string
		leaf                  *testnet.Identity
		above                 []*testnet.Identity
		community, ev, either reason.Code
		by                    trust.SignerPolicy // under either
	}{
		{"community", leaf(community), nil, ok, policy, ok, trust.Community},
		{"community, with the policy's name", leaf(community, evPolicy), nil, ok, policy, ok, trust.Community},
		{"ev", leaf(evCA, evPolicy), []*testnet.Identity{evCA}, untrusted, ok, ok, trust.ExtendedValidation},
		{"ev, by the root itself", leaf(evRoot, evPolicy), nil, untrusted, ok, ok, trust.ExtendedValidation},
		{"ev, and others", leaf(evCA, otherPolicy, evPolicy), []*testnet.Identity{evCA}, untrusted, ok, ok, trust.ExtendedValidation},
		{"ev root, another policy", leaf(evCA, otherPolicy), []*testnet.Identity{evCA}, untrusted, policy, policy, 0},
		{"ev root, no policy", leaf(evCA), []*testnet.Identity{evCA}, untrusted, policy, policy, 0},
		{"ev root itself, no policy", leaf(evRoot), nil, untrusted, policy, policy, 0},
		{"authority without policies", leaf(plainCA, evPolicy), []*testnet.Identity{plainCA}, untrusted, policy, policy, 0},
		{"authority for another policy", leaf(otherCA, evPolicy), []*testnet.Identity{otherCA}, untrusted, policy, policy, 0},
		{"any policy is none by name", leaf(evCA, anyPolicy), []*testnet.Identity{evCA}, untrusted, policy, policy, 0},
		{"any policy, by the root itself", leaf(evRoot, anyPolicy), nil, untrusted, policy, policy, 0},
		{"any policy, and the one", leaf(evCA, anyPolicy, evPolicy), []*testnet.Identity{evCA}, untrusted, ok, ok, trust.ExtendedValidation},
		{"any policy, under an authority of the one", leaf(mapping, anyPolicy), []*testnet.Identity{mapping}, untrusted, policy, policy, 0},
		{"any policy, inhibited", leaf(noAny, anyPolicy), []*testnet.Identity{noAny}, untrusted, policy, policy, 0},
		{"mapped policy is another's name", leaf(mapping, otherPolicy), []*testnet.Identity{mapping}, untrusted, policy, policy, 0},
		{"mapped away", leaf(mapping, evPolicy), []*testnet.Identity{mapping}, untrusted, policy, policy, 0},
		{"mapping inhibited", leaf(notMapping, otherPolicy), []*testnet.Identity{notMapping, above}, untrusted, policy, policy, 0},
		{"both", leaf(evCA, evPolicy), []*testnet.Identity{evCA, both}, ok, ok, ok, trust.Community},
		{"stranger", leaf(stranger, evPolicy), nil, untrusted, untrusted, untrusted, 0},
		{"look-alike of the root", leaf(pki.Root("ev root"), evPolicy), nil, untrusted, untrusted, untrusted, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ask(t, c.leaf, community)
			p.Purpose, p.Intermediates = trust.Sign, testnet.Certs(c.above...)
			p.EV = trust.EV{Roots: anchorsOf(evRoot), Policies: []x509.OID{oid(t, "1.2.3.4"), oid(t, evPolicy)}}
			for asked, want := range map[trust.SignerPolicy]reason.Code{trust.Community: c.community, trust.ExtendedValidation: c.ev, trust.Either: c.either} {
				p.Signers = asked
				v := trust.Judge(p)
				wantCode(t, v, want)
				by := asked
				if asked == trust.Either {
					by = c.by
				}
				if v.Code.IsOK() && (v.Signers != by || v.Path[0] != c.leaf.Cert) {
					t.Errorf("%s: believed by %s", asked, v.Signers)
				}
				// Whom we encrypt to is the community's business.
				p.Purpose = trust.Encrypt
				wantCode(t, trust.Judge(p), c.community)
				p.Purpose = trust.Sign
			}
		})
	}
}

// A root that is the signer is under no policy; an EV without roots or without
// policies has none to show.
func TestBB36_EmptyEVBelievesNobody(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	community, evRoot := pki.Root("community"), pki.Root("ev root")
	signer := evRoot.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), policies(t, evPolicy))
	member := community.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Usage(0), policies(t, evPolicy))
	oids := []x509.OID{oid(t, evPolicy)}
	for _, c := range []struct {
		name                   string
		ev                     trust.EV
		community, ev1, either reason.Code
	}{
		{"nothing", trust.EV{}, reason.SignerPolicy, reason.NoAnchors, reason.UntrustedAnchor},
		{"no roots", trust.EV{Policies: oids}, reason.SignerPolicy, reason.NoAnchors, reason.UntrustedAnchor},
		{"no policies", trust.EV{Roots: anchorsOf(evRoot)}, reason.SignerPolicy, reason.SignerPolicy, reason.SignerPolicy},
		{"the signer as the root", trust.EV{Roots: anchorsOf(signer), Policies: oids}, reason.SignerPolicy, reason.SignerPolicy, reason.SignerPolicy},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := ask(t, member, community)
			p.Purpose, p.EV, p.Signers = trust.Sign, c.ev, trust.ExtendedValidation
			wantCode(t, trust.Judge(p), c.community)
			p.Certificate = signer.Cert
			wantCode(t, trust.Judge(p), c.ev1)
			p.Signers = trust.Either
			wantCode(t, trust.Judge(p), c.either)
		})
	}
}

func TestPolicyNames(t *testing.T) {
	for _, p := range []trust.SignerPolicy{trust.Community, trust.ExtendedValidation, trust.Either} {
		if got, err := trust.ParseSignerPolicy(p.String()); err != nil || got != p {
			t.Errorf("%s: got %s, %v", p, got, err)
		}
	}
	for _, p := range []trust.RevocationPolicy{trust.SoftFail, trust.HardFail} {
		if got, err := trust.ParseRevocationPolicy(p.String()); err != nil || got != p {
			t.Errorf("%s: got %s, %v", p, got, err)
		}
	}
	if _, err := trust.ParseSignerPolicy("everybody"); err == nil {
		t.Error("everybody was read")
	}
	if p, err := trust.ParseRevocationPolicy(""); err == nil || p != trust.HardFail {
		t.Errorf("nothing was read as %s", p)
	}
}
