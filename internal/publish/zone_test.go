package publish

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/mime"
)

// fake is a certificate of which only the octets count.
func fake(raw string) *x509.Certificate { return &x509.Certificate{Raw: []byte(raw)} }

// brief writes records without TTL and class, in order.
func brief(records []dns.RR) []string {
	var all []string
	for _, rr := range records {
		text := strings.TrimPrefix(rr.String(), rr.Header().String())
		all = append(all, rr.Header().Name+" "+dns.TypeToString[rr.Header().Rrtype]+" "+text)
	}
	return all
}

func theSet(t *testing.T) *Set {
	t.Helper()
	return &Set{
		Options: Options{
			NameServers: []mime.Domain{"ns.lab.b.example", "ns.elsewhere.example"},
			Mail:        []MailServer{{10, "mail.b.example"}, {20, "mail.elsewhere.example"}},
			Directories: []Directory{{"mail.b.example", 389}, {"ldap.elsewhere.example", 10389}},
			Hosts: map[mime.Domain][]netip.Addr{
				"ns.lab.b.example": {netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
				"mail.b.example":   {netip.MustParseAddr("192.0.2.2")},
			},
			TTL: time.Hour,
		},
		Serial:  9,
		Domains: []mime.Domain{"b.example", "lab.b.example"},
		Certificates: []Certificate{
			{Domain: "b.example", Certificate: fake("1")},
			{Domain: "b.example", Certificate: fake("2")},
			{Domain: "b.example", Certificate: fake("1")}, // twice
			{Address: mustAddress(t, "Alice@b.example"), Domain: "b.example", Certificate: fake("3")},
			{Address: mustAddress(t, "alice@b.example"), Domain: "b.example", Certificate: fake("3")}, // AS-4
			{Address: mustAddress(t, "x.lab@b.example"), Domain: "b.example", Certificate: fake("4")},
			{Domain: "lab.b.example", Certificate: fake("5")},
			{Domain: "stranger.example", Certificate: fake("6")},
		},
	}
}

// CD-1, CD-2, CD-10, CD-20: what DNS says, each name in the innermost zone.
func TestCD10_Zones(t *testing.T) {
	zones := theSet(t).Zones()
	want := [][]string{{
		"b.example. SOA ns.lab.b.example. hostmaster.b.example. 9 3600 600 1209600 300",
		"b.example. NS ns.lab.b.example.",
		"b.example. NS ns.elsewhere.example.",
		"b.example. MX 10 mail.b.example.",
		"b.example. MX 20 mail.elsewhere.example.",
		"_ldap._tcp.b.example. SRV 0 0 389 mail.b.example.",
		"_ldap._tcp.b.example. SRV 1 0 10389 ldap.elsewhere.example.",
		"mail.b.example. A 192.0.2.2",
		"b.example. CERT PKIX 0 0 MQ==",
		"b.example. CERT PKIX 0 0 Mg==",
		"alice.b.example. CERT PKIX 0 0 Mw==",
	}, {
		"lab.b.example. SOA ns.lab.b.example. hostmaster.lab.b.example. 9 3600 600 1209600 300",
		"lab.b.example. NS ns.lab.b.example.",
		"lab.b.example. NS ns.elsewhere.example.",
		"lab.b.example. MX 10 mail.b.example.",
		"lab.b.example. MX 20 mail.elsewhere.example.",
		"_ldap._tcp.lab.b.example. SRV 0 0 389 mail.b.example.",
		"_ldap._tcp.lab.b.example. SRV 1 0 10389 ldap.elsewhere.example.",
		"ns.lab.b.example. A 192.0.2.1",
		"ns.lab.b.example. AAAA 2001:db8::1",
		"x.lab.b.example. CERT PKIX 0 0 NA==",
		"lab.b.example. CERT PKIX 0 0 NQ==",
	}}
	for i, z := range zones {
		if diff := cmp.Diff(want[i], brief(z.Records)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", z.Domain, diff)
		}
		if len(z.Problems) > 0 {
			t.Errorf("%s: %v", z.Domain, z.Problems)
		}
	}
	cuts := []string{"lab.b.example. NS ns.lab.b.example.", "lab.b.example. NS ns.elsewhere.example.",
		"ns.lab.b.example. A 192.0.2.1", "ns.lab.b.example. AAAA 2001:db8::1"}
	if diff := cmp.Diff(cuts, brief(zones[0].Cuts)); diff != "" {
		t.Errorf("delegation (-want +got):\n%s", diff)
	}
	if len(zones[1].Cuts) > 0 {
		t.Errorf("delegation of nothing: %v", zones[1].Cuts)
	}
}

func TestZonesTellWhatIsMissing(t *testing.T) {
	long := mime.Domain(strings.Repeat("long-label.", 22) + "b.example") // 251 octets
	tooLong := mime.Domain(strings.Repeat("l.", 123) + "b.example")      // 255
	for name, tt := range map[string]struct {
		change  func(*Set)
		records int // of the first zone
		want    []string
	}{
		"local part": {func(s *Set) {
			s.Certificates = []Certificate{{Address: mustAddress(t, `"a b"@b.example`), Domain: "b.example", Certificate: fake("1")}}
		}, 3, []string{`"a b"@b.example: the local part cannot be a DNS name: it has a character outside of RFC 5322's atext`}},
		"wildcard": {func(s *Set) {
			for _, a := range []string{"*@b.example", "x.*@b.example", "*.x@b.example", "x*.*x@b.example"} {
				s.Certificates = append(s.Certificates, Certificate{Address: mustAddress(t, a), Domain: "b.example", Certificate: fake("1")})
			}
		}, 4, []string{"*@b.example: DNS takes a label that is an asterisk for every name that is not there (RFC 4592 §2.1.1)",
			"x.*@b.example: DNS takes a label that is an asterisk for every name that is not there (RFC 4592 §2.1.1)",
			"*.x@b.example: DNS takes a label that is an asterisk for every name that is not there (RFC 4592 §2.1.1)"}},
		"host of others": {func(s *Set) {
			s.Hosts = map[mime.Domain][]netip.Addr{"host.other.example": {netip.MustParseAddr("192.0.2.3")}}
		}, 3, []string{"host.other.example: the name is in none of our domains, so its address is published nowhere"}},
		"too many": {func(s *Set) {
			s.Certificates = []Certificate{{Domain: "b.example", Certificate: fake(strings.Repeat("x", 40_000))},
				{Domain: "b.example", Certificate: fake(strings.Repeat("y", 20_000))}, {Domain: "b.example", Certificate: fake("z")}}
		}, 5, []string{"b.example: one certificate more than DNS can carry: there is room for 60000 octets at one name"}},
		"host without address": {func(s *Set) { s.Mail = []MailServer{{10, "mail.b.example"}, {20, "mail.other.example"}} }, 4,
			[]string{"mail.b.example: a server of that name is published, its name is in one of our domains, and it has no address"}},
		"address for a name": {func(s *Set) {
			s.NameServers = append(s.NameServers, "192.0.2.1")
			s.Directories = []Directory{{"192.0.2.2", 389}}
		}, 3, []string{"192.0.2.1: cannot be the name of a server, which must be a host's full name",
			"192.0.2.2: cannot be the name of a server, which must be a host's full name"}},
		"only an address": {func(s *Set) { s.NameServers = []mime.Domain{"192.0.2.1"} }, 0,
			[]string{"b.example: no name server is given for the domain",
				"192.0.2.1: cannot be the name of a server, which must be a host's full name"}},
		"no name server": {func(s *Set) {
			s.NameServers = nil
			s.Certificates = []Certificate{{Domain: "b.example", Certificate: fake("1")}}
		}, 0, []string{"b.example: no name server is given for the domain"}},
		"long domain": {func(s *Set) {
			s.Domains = []mime.Domain{long}
			s.Directories = []Directory{{"ldap.other.example", 389}}
		}, 2, []string{"_ldap._tcp." + string(long) + ": the name is too long for DNS"}},
		"too long domain": {func(s *Set) {
			s.Domains = []mime.Domain{tooLong}
			s.Certificates = []Certificate{{Domain: tooLong, Certificate: fake("1")}}
		}, 0, []string{string(tooLong) + ": the name is too long for DNS"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Set{Options: Options{NameServers: []mime.Domain{"ns.other.example"}, TTL: time.Minute}, Domains: []mime.Domain{"b.example"}}
			if name != "long domain" && name != "too long domain" {
				s.Mail = []MailServer{{10, "mail.other.example"}}
			}
			tt.change(s)
			z := s.Zones()[0]
			var got []string
			for _, p := range z.Problems {
				got = append(got, p.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(z.Records) != tt.records {
				t.Errorf("%d records:\n%v", len(z.Records), brief(z.Records))
			}
		})
	}
}
