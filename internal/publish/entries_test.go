package publish

import (
	"crypto/x509"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
)

var mustAddress = testnet.Address

func TestCD32_Entries(t *testing.T) {
	cert := func(raw string) *x509.Certificate { return &x509.Certificate{Raw: []byte(raw)} }
	s := &Set{
		Domains: []mime.Domain{"b.example", "empty.example"},
		Certificates: []Certificate{
			{Address: mustAddress(t, "Alice@b.example"), Domain: "b.example", Certificate: cert("1")},
			{Domain: "b.example", Certificate: cert("2")},
			{Address: mustAddress(t, "alice@b.example"), Domain: "b.example", Certificate: cert("3")}, // AS-4
			{Address: mustAddress(t, "alice@b.example"), Domain: "b.example", Certificate: cert("1")}, // values are a set
			{Domain: "stranger.example", Certificate: cert("4")},
		},
	}
	person := func(mail string, certs ...string) Entry {
		return Entry{Domain: "b.example", DN: "mail=" + mail + ",dc=b,dc=example", Attributes: []Attribute{
			texts("objectClass", "top", "person", "organizationalPerson", "inetOrgPerson"),
			texts("cn", mail), texts("sn", mail), texts("mail", mail),
			texts("userCertificate;binary", certs...),
		}}
	}
	want := []Entry{
		{Domain: "b.example", DN: "dc=b,dc=example", Attributes: []Attribute{texts("objectClass", "top", "domain"), texts("dc", "b")}},
		person("Alice@b.example", "1", "3"),
		person("b.example", "2"),
		{Domain: "empty.example", DN: "dc=empty,dc=example", Attributes: []Attribute{texts("objectClass", "top", "domain"), texts("dc", "empty")}},
	}
	if diff := cmp.Diff(want, s.Entries()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestEntryDN holds the escapes of RFC 4514 §2.4.
func TestEntryDN(t *testing.T) {
	for address, want := range map[string]string{
		"alice@b.example":           `mail=alice@b.example,dc=b,dc=example`,
		"#1@b.example":              `mail=\#1@b.example,dc=b,dc=example`,
		"a+b#c=d@b.example":         `mail=a\+b#c=d@b.example,dc=b,dc=example`,
		`"a, b;<c>\\\"@"@b.example`: `mail=\"a\, b\;\<c\>\\\\\\\"@\"@b.example,dc=b,dc=example`,
		`" "@b.example`:             `mail=\" \"@b.example,dc=b,dc=example`,
		"alice@x-y.sub.b.example":   `mail=alice@x-y.sub.b.example,dc=x-y,dc=sub,dc=b,dc=example`,
	} {
		a := mustAddress(t, address)
		if got := EntryDN(a.String(), a.Domain()); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
