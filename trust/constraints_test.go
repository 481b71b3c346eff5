package trust_test

import (
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// subtrees is a NameConstraints extension with one subtree, permitted or not.
func subtrees(t testing.TB, critical, permitted bool, general ...asn1.RawValue) testnet.Option {
	t.Helper()
	var subtree []byte
	for _, g := range general {
		der, err := asn1.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		subtree = append(subtree, der...)
	}
	tag := 0
	if !permitted {
		tag = 1
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: must(t, asn1.RawValue{
		Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: true, Bytes: must(t, asn1.RawValue{
			Tag: asn1.TagSequence, IsCompound: true, Bytes: subtree})})})
	if err != nil {
		t.Fatal(err)
	}
	return testnet.Extension([]int{2, 5, 29, 30}, critical, der)
}

func must(t testing.TB, v asn1.RawValue) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func context(tag int, value string) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: []byte(value)}
}

// AS-68, RFC 5280 §4.2.1.10, for alice@b.example.
func TestAS68_NameConstraints(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	const domain, mailbox, shouted = "b.example", "alice@b.example", "ALICE@b.example"
	constrain := func(permittedDNS, excludedDNS, permittedMail, excludedMail []string) testnet.Option {
		return testnet.Template(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical = true
			c.PermittedDNSDomains, c.ExcludedDNSDomains = permittedDNS, excludedDNS
			c.PermittedEmailAddresses, c.ExcludedEmailAddresses = permittedMail, excludedMail
		})
	}
	l := func(s ...string) []string { return s }
	directory := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: root.Cert.RawSubject}
	const ok, bad = reason.OK, reason.BadPath
	for _, c := range []struct {
		name     string
		ca       testnet.Option
		leafName string
		want     reason.Code
	}{
		{"domain permitted", constrain(l("b.example"), nil, nil, nil), domain, ok},
		{"parent domain permitted", constrain(l("example"), nil, nil, nil), domain, ok},
		{"another domain permitted", constrain(l("c.example"), nil, nil, nil), domain, bad},
		{"a suffix that is no parent", constrain(l("ample"), nil, nil, nil), domain, bad},
		{"domain excluded", constrain(nil, l("b.example"), nil, nil), domain, bad},
		{"parent excluded", constrain(nil, l("EXAMPLE"), nil, nil), domain, bad},
		{"child excluded", constrain(nil, l("x.b.example"), nil, nil), domain, ok},
		{"child permitted", constrain(l("x.b.example"), nil, nil, nil), domain, bad},
		{"domains below permitted", constrain(l(".b.example"), nil, nil, nil), domain, bad},

		// An address lies in a domain, by which its authority is bound.
		{"another domain permitted, for an address", constrain(l("c.example"), nil, nil, nil), mailbox, bad},
		{"domain permitted, for an address", constrain(l("c.example", "B.example"), nil, nil, nil), mailbox, ok},
		{"parent permitted, for an address", constrain(l("example"), nil, nil, nil), mailbox, ok},
		{"domains below the parent permitted, for an address", constrain(l(".example"), nil, nil, nil), mailbox, ok},
		{"domains below permitted, for an address", constrain(l(".b.example"), nil, nil, nil), mailbox, bad},
		{"a suffix that is no parent, for an address", constrain(l("ample"), nil, nil, nil), mailbox, bad},
		{"domain excluded, for an address", constrain(nil, l("B.example"), nil, nil), mailbox, bad},
		{"parent excluded, for an address", constrain(nil, l("example"), nil, nil), mailbox, bad},
		{"child excluded, for an address", constrain(nil, l("x.b.example"), nil, nil), mailbox, ok},
		{"address permitted, its domain not", constrain(l("c.example"), nil, l("alice@b.example"), nil), mailbox, bad},

		{"mailbox permitted", constrain(nil, nil, l("alice@b.example"), nil), mailbox, ok},
		{"another mailbox permitted", constrain(nil, nil, l("bob@b.example"), nil), mailbox, bad},
		{"host permitted", constrain(nil, nil, l("b.example"), nil), mailbox, ok},
		{"host permitted, other case", constrain(nil, nil, l("B.example"), nil), mailbox, ok},
		{"parent host permitted", constrain(nil, nil, l("example"), nil), mailbox, bad},
		{"domain of hosts permitted", constrain(nil, nil, l(".example"), nil), mailbox, ok},
		{"domain of hosts below permitted", constrain(nil, nil, l(".b.example"), nil), mailbox, bad},
		{"another host permitted", constrain(nil, nil, l("c.example"), nil), mailbox, bad},
		{"one of several permitted", constrain(nil, nil, l("c.example", "b.example"), nil), mailbox, ok},
		{"mailbox excluded", constrain(nil, nil, nil, l("alice@b.example")), mailbox, bad},
		{"mailbox excluded, sent in capitals", constrain(nil, nil, nil, l("alice@b.example")), shouted, bad},
		{"another mailbox excluded", constrain(nil, nil, nil, l("bob@b.example")), mailbox, ok},
		{"host excluded", constrain(nil, nil, nil, l("b.example")), mailbox, bad},
		{"permitted and excluded", constrain(nil, nil, l("b.example"), l("alice@b.example")), mailbox, bad},

		{"another host's addresses permitted, for a domain", constrain(nil, nil, l("c.example"), nil), domain, bad},
		{"the host's addresses permitted, for a domain", constrain(nil, nil, l("b.example"), nil), domain, ok},
		{"an address excluded, for its domain", constrain(nil, nil, nil, l("alice@b.example")), domain, bad},

		{"directoryName, critical", subtrees(t, true, true, directory), domain, bad},
		{"directoryName", subtrees(t, false, true, directory), domain, bad},
		{"directoryName excluded", subtrees(t, false, false, directory), domain, bad},
		{"registeredID", subtrees(t, false, true, context(8, "\x2a\x03")), domain, bad},
		{"minimum", subtrees(t, false, true, context(2, "b.example"), context(0, "\x01")), domain, bad},
		{"dNSName, not critical", subtrees(t, false, true, context(2, "b.example")), domain, ok},
		{"dNSName of another, not critical", subtrees(t, false, true, context(2, "c.example")), domain, bad},
		{"addresses of the net", subtrees(t, true, true, context(7, "\x7f\x00\x00\x00\xff\x00\x00\x00")), domain, ok},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := root.Intermediate("ca", c.ca)
			p := ask(t, ca.Leaf(c.leafName, plain()...), root)
			p.Intermediates = testnet.Certs(ca)
			wantCode(t, trust.Judge(p), c.want)
			// An anchor is held to what it says of itself.
			p.Anchors, p.Intermediates = anchorsOf(ca), nil
			wantCode(t, trust.Judge(p), c.want)
		})
	}
}

// A crowd of names under a crowd of constraints costs little.
func TestAS68_ManyConstraintsCostLittle(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	names := make([]string, 999)
	for i := range names {
		names[i] = string(rune('a'+i%26)) + "x" + string(rune('a'+i/26%26)) + ".c.example"
	}
	ca := pki.Root("ca", testnet.Template(func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.ExcludedEmailAddresses = names, names
	}))
	leaf := ca.Leaf("b.example", plain(testnet.SAN(nil, append(names, "b.example")))...)
	p := ask(t, leaf, ca)
	p.Profile = trust.V12
	within(t, func() { wantCode(t, trust.Judge(p), reason.BadPath) })
}
