package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
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
