package named

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, records ...Record) *Fixed {
	t.Helper()
	z, err := Records(append([]Record{Apex("b.example", "ns.b.example")}, records...)...)
	if err != nil {
		t.Fatal(err)
	}
	err = z.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := z.Close(); err != nil {
			t.Error(err)
		}
	})
	return z
}

func ask(t *testing.T, addr, network string, q *dns.Msg) *dns.Msg {
	t.Helper()
	c := &dns.Client{Net: network}
	m, _, err := c.Exchange(q, addr)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func question(name string, qtype uint16) *dns.Msg {
	return new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
}

func TestAnswers(t *testing.T) {
	z := start(t,
		A("host.b.example", netip.MustParseAddr("127.0.0.1")), A("six.b.example", netip.IPv6Loopback()),
		SRV("_ldap._tcp.b.example", 0, 0, 389, "host.b.example"),
		CERT("o'brien.b.example", 1, []byte("x")))
	for _, c := range []struct {
		name    string
		qtype   uint16
		rcode   int
		answers int
		soa     bool
	}{
		{"b.example", dns.TypeSOA, dns.RcodeSuccess, 1, false},
		{"B.Example", dns.TypeNS, dns.RcodeSuccess, 1, false},
		{"host.b.example", dns.TypeA, dns.RcodeSuccess, 1, false},
		{"six.b.example", dns.TypeAAAA, dns.RcodeSuccess, 1, false},
		{"host.b.example", dns.TypeCERT, dns.RcodeSuccess, 0, true},
		{"nobody.b.example", dns.TypeA, dns.RcodeNameError, 0, true},
		{"_tcp.b.example", dns.TypeA, dns.RcodeSuccess, 0, true}, // an empty non-terminal exists
		{"host.b.example", dns.TypeCNAME, dns.RcodeSuccess, 0, true},
		{"o'brien.b.example", dns.TypeCERT, dns.RcodeSuccess, 1, false},
		{"elsewhere.example", dns.TypeA, dns.RcodeRefused, 0, false},
		{".", dns.TypeNS, dns.RcodeRefused, 0, false},
		{"example", dns.TypeNS, dns.RcodeRefused, 0, false},
	} {
		t.Run(c.name+" "+dns.TypeToString[c.qtype], func(t *testing.T) {
			for _, network := range []string{"udp", "tcp"} {
				m := ask(t, z.Addr(), network, question(c.name, c.qtype))
				soa := len(m.Ns) == 1 && m.Ns[0].Header().Rrtype == dns.TypeSOA
				if m.Rcode != c.rcode || len(m.Answer) != c.answers || soa != c.soa || m.RecursionAvailable {
					t.Errorf("over %s:\n%s", network, m)
				}
			}
		})
	}
}

func TestCD10_LargeAnswersTruncateOverUDPAlone(t *testing.T) {
	data := []byte(strings.Repeat("x", 900))
	z := start(t, CERT("b.example", 1, data), CERT("two.b.example", 1, data), CERT("two.b.example", 1, data[1:]))
	plain, large := question("b.example", dns.TypeCERT), question("two.b.example", dns.TypeCERT)
	if m := ask(t, z.Addr(), "udp", plain); !m.Truncated {
		t.Error("900 octets fit into 512")
	}
	if m := ask(t, z.Addr(), "udp", plain.Copy().SetEdns0(1232, false)); m.Truncated || len(m.Answer) != 1 || m.IsEdns0() == nil {
		t.Errorf("with EDNS0:\n%s", m)
	}
	if m := ask(t, z.Addr(), "udp", large.Copy().SetEdns0(65535, false)); !m.Truncated {
		t.Error("a client's word was taken for a size that would be fragmented")
	}
	if m := ask(t, z.Addr(), "tcp", large); m.Truncated || len(m.Answer) != 2 {
		t.Errorf("over TCP:\n%s", m)
	}
}

func TestRecordsOutsideOfTheirZonesAreRefused(t *testing.T) {
	for name, r := range map[string]Record{
		"other zone": A("host.c.example", netip.MustParseAddr("127.0.0.1")),
		"parent":     MX("example", 0, "."),
		"no name":    A(strings.Repeat("x", 64)+".b.example", netip.MustParseAddr("127.0.0.1")),
	} {
		if _, err := Records(Apex("b.example", "ns.b.example"), r); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
