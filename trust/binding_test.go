package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

type bindingCase struct {
	name      string
	addresses []string
	domains   []string
	subject   string
	v13       trust.Binding // "" is no binding
	v12       trust.Binding
}

func checkBindings(t *testing.T, cases []bindingCase) {
	t.Helper()
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	addr := address(t, "Alice@b.example")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			opts := []testnet.Option{testnet.EC(elliptic.P256()), testnet.SAN(c.addresses, c.domains)}
			if c.subject != "" {
				opts = append(opts, testnet.SubjectEmail(c.subject))
			}
			cert := root.Leaf("b.example", opts...).Cert
			for profile, want := range map[trust.Profile]trust.Binding{trust.V13: c.v13, trust.V12: c.v12} {
				got, ok := trust.Binds(cert, addr, profile)
				if got != want || ok != (want != "") {
					t.Errorf("v%s: bound by %q, %v; want %q", profile, got, ok, want)
				}
			}
		})
	}
}

func TestAS4_CaseDoesNotMatterInNames(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"address", []string{"aLICE@B.eXAMPLE"}, nil, "", trust.ByAddress, trust.ByAddress},
		{"domain", nil, []string{"B.EXAMPLE"}, "", trust.ByDomain, trust.ByDomain},
	})
}

func TestAS11_AddressOrDomainBinds(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"address", []string{"alice@b.example"}, nil, "", trust.ByAddress, trust.ByAddress},
		{"domain", nil, []string{"b.example"}, "", trust.ByDomain, trust.ByDomain},
		{"second name", []string{"bob@b.example", "alice@b.example"}, nil, "", "", trust.ByAddress},
		{"another address", []string{"bob@b.example"}, nil, "", "", ""},
		{"domain in an rfc822Name", []string{"b.example"}, nil, "", "", ""},
		{"address in a dNSName", nil, []string{"alice@b.example"}, "", "", ""},
		{"display name", []string{"Alice <alice@b.example>"}, nil, "", "", ""},
		{"quoted form of the same", []string{`"alice"@b.example`}, nil, "", trust.ByAddress, trust.ByAddress},
		{"NUL", []string{"alice@b.example\x00.evil.example"}, []string{"b.example\x00.evil.example"}, "", "", ""},
	})
}

func TestAS12_NoNameIsNoBinding(t *testing.T) {
	checkBindings(t, []bindingCase{{"no SAN", nil, nil, "", "", ""}})
}

func TestAS13_DNSNameMatchIsExact(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"child", nil, []string{"mail.b.example"}, "", "", ""},
		{"parent", nil, []string{"example"}, "", "", ""},
		{"suffix", nil, []string{"evilb.example"}, "", "", ""},
		{"final dot", nil, []string{"b.example."}, "", "", ""},
		{"leading dot", nil, []string{".b.example"}, "", "", ""},
	})
}

func TestAS14_WildcardsNeverBind(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"alone", nil, []string{"*.b.example"}, "", "", ""},
		{"of the top", nil, []string{"*.example"}, "", "", ""},
		{"beside the domain", nil, []string{"*.b.example", "b.example"}, "", "", trust.ByDomain},
		{"beside the address", []string{"alice@b.example"}, []string{"*.b.example"}, "", "", trust.ByAddress},
	})
}

func TestAS15_SubjectEmailBindsUnderV12Alone(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"no SAN", nil, nil, "alice@b.example", "", trust.BySubject},
		{"no SAN, another", nil, nil, "bob@b.example", "", ""},
		{"SAN for another", []string{"bob@b.example"}, nil, "alice@b.example", "", ""},
		{"domain of the subject", nil, nil, "b.example", "", ""},
	})
}

func TestAS16_SubjectEmailMayNotContradictUnderV12(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"same address", []string{"alice@b.example"}, nil, "alice@B.example", trust.ByAddress, trust.ByAddress},
		{"other address", []string{"alice@b.example"}, nil, "bob@b.example", trust.ByAddress, ""},
		{"address of the domain", nil, []string{"b.example"}, "office@b.example", trust.ByDomain, trust.ByDomain},
		{"the domain", nil, []string{"b.example"}, "b.example", trust.ByDomain, trust.ByDomain},
		{"another domain", nil, []string{"b.example"}, "office@c.example", trust.ByDomain, ""},
	})
}

// AS-17: v1.3 allows a single name.
func TestAS17_SeveralNames(t *testing.T) {
	l := func(s ...string) []string { return s }
	checkBindings(t, []bindingCase{
		{"address beside the domain", l("alice@b.example"), l("b.example"), "", "", trust.ByAddress},
		{"another address beside the domain", l("bob@b.example"), l("b.example"), "", "", trust.ByDomain},
		{"address beside another domain", l("alice@b.example"), l("c.example"), "", "", trust.ByAddress},
		{"two addresses", l("alice@b.example", "bob@b.example"), nil, "", "", trust.ByAddress},
		{"two domains", nil, l("c.example", "b.example"), "", "", trust.ByDomain},
		{"domain and a child", nil, l("b.example", "x.b.example"), "", "", trust.ByDomain},
		{"domain, with and without a final dot", nil, l("b.example", "b.example."), "", "", trust.ByDomain},
		{"two strangers", l("bob@b.example", "carol@b.example"), nil, "", "", ""},
		{"the same address twice", l("alice@b.example", "Alice@B.example"), nil, "", trust.ByAddress, trust.ByAddress},
		{"the same domain twice", nil, l("b.example", "B.EXAMPLE"), "", trust.ByDomain, trust.ByDomain},
		{"the subject is no second name", l("alice@b.example"), nil, "alice@b.example", trust.ByAddress, trust.ByAddress},
	})
}

// The refusal names the rule.
func TestAS14_AS17_TheRuleIsNamed(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	for want, san := range map[string]testnet.Option{
		"a wildcard dNSName":              testnet.SAN(nil, []string{"*.b.example"}),
		"an rfc822Name beside a dNSName":  testnet.SAN([]string{"alice@b.example"}, []string{"b.example"}),
		"several rfc822Names":             testnet.SAN([]string{"alice@b.example", "bob@b.example"}, nil),
		"several dNSNames":                testnet.SAN(nil, []string{"b.example", "c.example"}),
		"neither an rfc822Name nor a dNS": testnet.SAN(nil, nil),
		`is for "c.example", not for`:     testnet.SAN(nil, []string{"c.example"}),
	} {
		v := trust.Judge(ask(t, root.Leaf("b.example", plain(san)...), root))
		wantCode(t, v, reason.WrongAddress)
		if !strings.Contains(v.Detail, want) {
			t.Errorf("the detail is %q, without %q", v.Detail, want)
		}
	}
}

// AS-17: other kinds of GeneralName neither bind nor count (RFC 5280 §4.2.1.6).
func TestAS12_AS17_OtherKindsOfNames(t *testing.T) {
	mail, dns := context(1, "alice@b.example"), context(2, "b.example")
	uri, ip, rid := context(6, "http://b.example/"), context(7, "\x7f\x00\x00\x01"), context(8, "\x2a\x03")
	directory := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 4, IsCompound: true, Bytes: []byte{0x30, 0}}
	// An otherName SmtpUTF8Mailbox (RFC 9598).
	other := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true,
		Bytes: []byte("\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x09\xa0\x11\x0c\x0falice@b.example")}
	for _, c := range []struct {
		name string
		san  []asn1.RawValue
		want trust.Binding
	}{
		{"address among others", []asn1.RawValue{other, uri, mail, ip, rid, directory}, trust.ByAddress},
		{"domain among others", []asn1.RawValue{directory, rid, ip, uri, dns}, trust.ByDomain},
		{"URI alone", []asn1.RawValue{uri}, ""},
		{"SmtpUTF8Mailbox alone", []asn1.RawValue{other}, ""},
		{"all the others", []asn1.RawValue{other, uri, ip, rid, directory}, ""},
		{"none", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, err := x509.ParseCertificate(carrier(t)(sequence(t, c.san)))
			if err != nil {
				t.Fatal(err)
			}
			for _, profile := range []trust.Profile{trust.V12, trust.V13} {
				got, ok := trust.Binds(cert, address(t, "alice@b.example"), profile)
				if got != c.want || ok != (c.want != "") {
					t.Errorf("v%s: bound by %q, %v", profile, got, ok)
				}
			}
		})
	}
}

// CP-8: a bare domain is no rfc822Name, and binds under neither profile.
func TestCP8_BareDomainAsAddress(t *testing.T) {
	checkBindings(t, []bindingCase{
		{"rfc822Name", []string{"b.example"}, nil, "", "", ""},
		{"rfc822Name with an at sign", []string{"@b.example"}, nil, "", "", ""},
		{"subject", nil, nil, "b.example", "", ""},
		{"both", []string{"b.example"}, nil, "b.example", "", ""},
	})
}

// What looks alike is not equal.
func TestAS11_AS13_LookAlikes(t *testing.T) {
	var cases []bindingCase
	for _, s := range []string{" alice@b.example", "alice@b.example ", "alice @b.example", "alice@ b.example", "alice@b.example.",
		"alice@b.example\x00", "\x00alice@b.example", "alice\x00@b.example", "alice@b.example\r\n", "<alice@b.example>", "alice(x)@b.example",
		"alice@b..example", "a.lice@b.example", "alice+x@b.example", "alice@xn--b-.example", "mallory@c.example,alice@b.example",
		"alice@b.example@c.example", "alice@c.example@b.example", "*@b.example", "alice@*.example", "alice@[b.example]"} {
		cases = append(cases, bindingCase{s, []string{s}, nil, "", "", ""})
	}
	checkBindings(t, cases)
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	for _, s := range []string{"b.example\x00", "\x00b.example", " b.example", "b.example ", "b.example\n", "b..example", "xn--b.example", "b_.example", "@b.example", "*"} {
		cert := root.Leaf("x", plain(testnet.SAN(nil, nil), testnet.Extension([]int{2, 5, 29, 17}, false, sequence(t, []asn1.RawValue{context(2, s)})))...).Cert
		for _, profile := range []trust.Profile{trust.V12, trust.V13} {
			if by, ok := trust.Binds(cert, address(t, "alice@b.example"), profile); ok {
				t.Errorf("v%s: bound by %s to %q", profile, by, s)
			}
		}
	}
}

// An internationalized domain is in its A-labels, in addresses and certificates.
func TestAS13_InternationalizedDomain(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	addr := address(t, "alice@xn--bcher-kva.example")
	for name, want := range map[string]trust.Binding{
		"xn--bcher-kva.example": trust.ByDomain, "XN--BCHER-KVA.example": trust.ByDomain, "alice@xn--bcher-kva.example": trust.ByAddress,
		"bcher.example": "", "xn--bcher-kvb.example": "",
	} {
		got, _ := trust.Binds(root.Leaf(name, plain()...).Cert, addr, trust.V13)
		if got != want {
			t.Errorf("%s: bound by %q, want %q", name, got, want)
		}
	}
}

// AS-65: the author may be bound by the address or by the domain.
func TestAS65_SenderByAddressOrDomain(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	for name, want := range map[string]reason.Code{
		"alice@b.example": reason.OK, "b.example": reason.OK, "bob@b.example": reason.WrongAddress, "c.example": reason.WrongAddress,
	} {
		p := ask(t, root.Leaf(name, plain()...), root)
		p.Purpose = trust.Sign
		wantCode(t, trust.Judge(p), want)
	}
}

func TestAS19_SubjectMustBePresent(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example", testnet.Template(func(c *x509.Certificate) {
		c.Subject.CommonName, c.Subject.Organization = "", nil
	}))
	wantCode(t, trust.Judge(ask(t, leaf, root)), reason.BadPath)
}

func TestNullAddressIsNobodys(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	p := ask(t, root.Leaf("b.example"), root)
	p.Address = address(t, "a@b.example")
	wantCode(t, trust.Judge(p), reason.OK)
	p.Address = trust.Params{}.Address
	wantCode(t, trust.Judge(p), reason.WrongAddress)
}
