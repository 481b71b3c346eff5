package ldapd

import (
	"crypto/x509"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// TestCP13_AnswersAsSlapdDoes asks OpenLDAP's slapd and us for the same.
func TestCP13_AnswersAsSlapdDoes(t *testing.T) {
	s := newSite(t)
	_, ours := start(t, s.source, Options{})
	theirs := testnet.Slapd(t, "o=b.example", []testnet.Entry{
		{Mail: "Alice@b.example", Certificates: s.alice},
		{Mail: quotedAddress, Certificates: []*x509.Certificate{s.quoted}},
		{Mail: "b.example", Certificates: []*x509.Certificate{s.domain}},
	})
	we, they := connect(t, ours), connect(t, theirs)
	for _, filter := range []string{
		"(mail=alice@b.example)",
		"(mail=ALICE@B.EXAMPLE)",
		"(mail= b.example )",
		"(mail=nobody@b.example)",
		"(rfc822Mailbox=b.example)",
		"(0.9.2342.19200300.100.1.3=b.example)",
		"(mail~=b.example)",
		"(mail=" + ldap.EscapeFilter(quotedAddress) + ")",
		`(mail=\61lice@b.example)`,
		`(mail=\2a@b.example)`,
		"(&(mail=b.example)(|(userCertificate;binary=*)(userCertificate=*)))",
		"(&(mail=b.example)(userCertificate=*))",
		"(&(mail=b.example)(userCertificate;binary=*))",
		"(|(mail=alice@b.example)(mail=b.example))",
		"(&(mail=b.example)(objectClass=inetOrgPerson))",
		"(&(mail=b.example)(objectClass=person))",
		"(&(mail=b.example)(objectClass=device))",
		"(&(mail=b.example)(!(objectClass=device)))",
		"(&(mail=b.example)(shoeSize=43))",
		"(&(mail=b.example)(!(shoeSize=43)))",
		"(&(mail=b.example)(|(shoeSize=43)(mail=b*)))",
		"(&(mail=b.example)(mail=*.ex*ple))",
		"(&(mail=b.example)(mail=b.*.example))",
		"(&(mail=b.example)(!(mail=*)))",
		"(&(mail=b.example)(mail>=a))",
		"(&(mail=b.example)(!(mail>=a)))",
		"(&(mail=b.example)(&))",
		"(&(mail=b.example)(|))",
		"(&(mail=b.example)(!(|)))",
	} {
		for _, attributes := range [][]string{{"userCertificate"}, {"userCertificate;binary"}, {"*"}, nil, {"1.1"}, {"1.1", "userCertificate"}, {"usercertificate;x-y"}} {
			got, err := we.Search(ask(suffix, ldap.ScopeWholeSubtree, filter, attributes...))
			if err != nil {
				t.Fatalf("we, %s: %v", filter, err)
			}
			want, err := they.Search(ask("o=b.example", ldap.ScopeWholeSubtree, filter, attributes...))
			if err != nil {
				t.Fatalf("slapd, %s: %v", filter, err)
			}
			if len(got.Entries) != len(want.Entries) {
				t.Errorf("%s: %d entries, slapd has %d", filter, len(got.Entries), len(want.Entries))
			}
			if diff := cmp.Diff(ders(want), ders(got)); diff != "" {
				t.Errorf("%s, %q (-slapd +we):\n%s", filter, attributes, diff)
			}
		}
	}
}
