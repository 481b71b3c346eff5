package named

import (
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/publish"
	"postern/mime"
)

// RFC 2308: a name that is not there, one without the type, and one that only
// others are below; and how long each may be remembered.
func TestNegativeAnswers(t *testing.T) {
	s, _ := theSite(t)
	_, addr := s.serve(t, Options{})
	for _, tt := range []struct {
		name  string
		qtype uint16
		rcode int
		apex  string // of the SOA; "" for REFUSED
	}{
		{"nobody.b.example", dns.TypeCERT, dns.RcodeNameError, "b.example."},
		{"deep.alice.b.example", dns.TypeCERT, dns.RcodeNameError, "b.example."},
		{"nobody.lab.b.example", dns.TypeA, dns.RcodeNameError, "lab.b.example."},
		{"alice.b.example", dns.TypeA, dns.RcodeSuccess, "b.example."},
		{"b.example", dns.TypeDS, dns.RcodeSuccess, "b.example."},
		{"lab.b.example", dns.TypeTXT, dns.RcodeSuccess, "lab.b.example."},
		{"_tcp.b.example", dns.TypeSRV, dns.RcodeSuccess, "b.example."}, // RFC 4592 §2.2.2
		{"_tcp.b.example", dns.TypeANY, dns.RcodeSuccess, "b.example."},
		{"*.b.example", dns.TypeCERT, dns.RcodeNameError, "b.example."},
		{"c.example", dns.TypeCERT, dns.RcodeRefused, ""},
		{"xb.example", dns.TypeCERT, dns.RcodeRefused, ""},
		{"example", dns.TypeSOA, dns.RcodeRefused, ""},
		{".", dns.TypeNS, dns.RcodeRefused, ""},
	} {
		for _, network := range []string{"udp", "tcp"} {
			q := question(tt.name, tt.qtype)
			q.RecursionDesired, q.CheckingDisabled = true, true
			m := ask(t, addr, network, q)
			apex, ttl := "", uint32(0)
			if len(m.Ns) == 1 {
				apex, ttl = m.Ns[0].Header().Name, m.Ns[0].Header().Ttl
			}
			if m.Rcode != tt.rcode || apex != tt.apex || len(m.Answer) != 0 || m.Authoritative != (tt.apex != "") || m.RecursionAvailable {
				t.Errorf("%s over %s:\n%s", tt.name, network, m)
			}
			if tt.apex != "" && ttl != 300 {
				t.Errorf("%s may be remembered as absent for %d s", tt.name, ttl)
			}
		}
	}
}

// A name above another zone exists: whoever believed that it does not would not
// ask for what is below (RFC 8020 §2).
func TestNamesAboveAnotherZoneExist(t *testing.T) {
	s, _ := theSite(t)
	next := *s.set.Load()
	next.Domains = []mime.Domain{"x.y.lab.b.example", "b.example"}
	s.set.Store(&next)
	_, addr := s.serve(t, Options{})
	for name, rcode := range map[string]int{
		"y.lab.b.example": dns.RcodeSuccess, "lab.b.example": dns.RcodeSuccess, "z.lab.b.example": dns.RcodeNameError,
		"x.y.lab.b.example": dns.RcodeSuccess, "z.x.y.lab.b.example": dns.RcodeNameError,
	} {
		if m := ask(t, addr, "udp", question(name, dns.TypeCERT)); m.Rcode != rcode || len(m.Answer) > 0 {
			t.Errorf("%s:\n%s", name, m)
		}
	}
}

// A short TTL bounds the memory of what is absent, too.
func TestNegativeTTLIsNoLongerThanTheTTL(t *testing.T) {
	s, _ := theSite(t)
	short := *s.set.Load()
	short.TTL = 20 * time.Second
	s.set.Store(&short)
	_, addr := s.serve(t, Options{})
	m := ask(t, addr, "udp", question("nobody.b.example", dns.TypeCERT))
	if soa := m.Ns[0].(*dns.SOA); soa.Hdr.Ttl != 20 || soa.Minttl != 20 {
		t.Errorf("%s", soa)
	}
}

// RFC 8482: ANY has one RRset, so that nobody is flooded with all.
func TestANYIsOneRRset(t *testing.T) {
	s, certs := theSite(t)
	_, addr := s.serve(t, Options{})
	m := ask(t, addr, "udp", question("b.example", dns.TypeANY))
	if len(m.Answer) != 1 || m.Answer[0].Header().Rrtype != dns.TypeSOA || m.Rcode != dns.RcodeSuccess {
		t.Errorf("at the apex:\n%s", m)
	}
	m = ask(t, addr, "tcp", question("alice.b.example", dns.TypeANY))
	if len(m.Answer) != 1 || m.Answer[0].(*dns.CERT).Certificate != base64Of(certs["alice@b.example"].Raw) {
		t.Errorf("at an address:\n%s", m)
	}
}

// The question comes back as it was asked, and so does the name of the answer.
func TestTheCaseOfTheQuestionIsKept(t *testing.T) {
	s, _ := theSite(t)
	_, addr := s.serve(t, Options{})
	const name = "aLiCe.B.eXaMpLe."
	m := ask(t, addr, "tcp", question(name, dns.TypeCERT))
	if len(m.Answer) != 1 || m.Answer[0].Header().Name != name || m.Question[0].Name != name {
		t.Errorf("%s", m)
	}
	m = ask(t, addr, "tcp", question("alice.b.example.", dns.TypeCERT))
	if len(m.Answer) != 1 || m.Answer[0].Header().Name != "alice.b.example." {
		t.Errorf("afterwards:\n%s", m)
	}
}

// Addresses have characters that hosts do not.
func TestCD1_OddAddressesAreFound(t *testing.T) {
	s, certs := theSite(t)
	next := *s.set.Load()
	next.Certificates = nil
	for _, local := range []string{"o'brien", "a+b", "$origin", "a.b", "Mixed", "{x}", "b*"} {
		next.Certificates = append(next.Certificates, publish.Certificate{
			Address: address(t, local+"@b.example"), Domain: "b.example", Certificate: certs["b.example"]})
	}
	s.set.Store(&next)
	_, addr := s.serve(t, Options{})
	for _, name := range []string{`o\'brien`, "a+b", "$origin", "A.B", "mixed", "{x}", `b\042`} {
		m := ask(t, addr, "tcp", question(name+".b.example", dns.TypeCERT))
		if len(m.Answer) != 1 {
			t.Errorf("%s:\n%s", name, m)
		}
	}
}

func TestOddQuestionsAreRefused(t *testing.T) {
	s, _ := theSite(t)
	server := New(s.source, Options{})
	plain := func(change func(*dns.Msg)) *dns.Msg {
		q := question("b.example", dns.TypeSOA)
		change(q)
		return q
	}
	for name, tt := range map[string]struct {
		q     *dns.Msg
		rcode int // -1 is no answer
	}{
		"chaos":         {plain(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"class ANY":     {plain(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassANY }), dns.RcodeRefused},
		"AXFR":          {plain(func(q *dns.Msg) { q.Question[0].Qtype = dns.TypeAXFR }), dns.RcodeRefused},
		"IXFR":          {plain(func(q *dns.Msg) { q.Question[0].Qtype = dns.TypeIXFR }), dns.RcodeRefused},
		"notify":        {plain(func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }), dns.RcodeNotImplemented},
		"update":        {plain(func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"status":        {plain(func(q *dns.Msg) { q.Opcode = dns.OpcodeStatus }), dns.RcodeNotImplemented},
		"no question":   {plain(func(q *dns.Msg) { q.Question = nil }), dns.RcodeFormatError},
		"two questions": {plain(func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }), dns.RcodeFormatError},
		"an answer":     {plain(func(q *dns.Msg) { q.Response = true }), -1},
		"EDNS version 1": {plain(func(q *dns.Msg) {
			q.SetEdns0(1232, true)
			q.IsEdns0().SetVersion(1)
		}), dns.RcodeBadVers},
		"two OPT": {plain(func(q *dns.Msg) {
			q.SetEdns0(1232, false)
			q.SetEdns0(1232, false)
		}), dns.RcodeFormatError},
	} {
		t.Run(name, func(t *testing.T) {
			wire, err := tt.q.Pack()
			if err != nil {
				t.Fatal(err)
			}
			answers := exchange(t, server, wire)
			if tt.rcode < 0 {
				if len(answers) > 0 {
					t.Errorf("%d answers", len(answers))
				}
				return
			}
			if len(answers) != 1 {
				t.Fatalf("%d answers", len(answers))
			}
			m := new(dns.Msg)
			err = m.Unpack(answers[0])
			if err != nil {
				t.Fatal(err)
			}
			if m.Rcode != tt.rcode || m.Authoritative || len(m.Answer) > 0 || m.Id != tt.q.Id {
				t.Errorf("%s", m)
			}
			if o := m.IsEdns0(); o != nil && o.Version() != 0 { // RFC 6891 §6.1.3
				t.Errorf("EDNS version %d", o.Version())
			}
		})
	}
}

// CD-10: an answer has 512 octets, or what EDNS0 says up to 1232; the whole is
// over TCP, as much as one name can have.
func TestCD10_SizesOfAnswers(t *testing.T) {
	s, _ := theSite(t)
	next := *s.set.Load()
	next.Certificates = nil
	for local, size := range map[string]int{"small": 300, "middle": 900, "large": 1300} {
		next.Certificates = append(next.Certificates, publish.Certificate{Address: address(t, local+"@b.example"),
			Domain: "b.example", Certificate: &x509.Certificate{Raw: []byte(strings.Repeat("x", size))}})
	}
	for i := range 70 { // 70,000 octets
		next.Certificates = append(next.Certificates, publish.Certificate{Address: address(t, "many@b.example"),
			Domain: "b.example", Certificate: &x509.Certificate{Raw: []byte(strings.Repeat(string(rune('0'+i)), 1000))}})
	}
	s.set.Store(&next)
	_, addr := s.serve(t, Options{})
	for _, tt := range []struct {
		name      string
		size      uint16 // of EDNS0; 0 is none
		truncated bool
	}{
		{"small", 0, false}, {"small", 100, false}, {"small", 65535, false},
		{"middle", 0, true}, {"middle", 512, true}, {"middle", 1232, false}, {"middle", 65535, false},
		{"large", 0, true}, {"large", 1232, true}, {"large", 65535, true},
		{"many", 65535, true},
	} {
		q := question(tt.name+".b.example", dns.TypeCERT)
		if tt.size > 0 {
			q.SetEdns0(tt.size, false)
		}
		m := ask(t, addr, "udp", q)
		if m.Truncated != tt.truncated || len(m.Answer) != 1 && !tt.truncated || len(m.Answer) > 0 && tt.truncated ||
			(m.IsEdns0() == nil) != (tt.size == 0) || !m.Authoritative {
			t.Errorf("%s with %d:\n%s", tt.name, tt.size, m)
		}
	}
	m := ask(t, addr, "tcp", question("many.b.example", dns.TypeCERT))
	if m.Truncated || len(m.Answer) != 60_000/1017 {
		t.Errorf("%d records over TCP, truncated %t", len(m.Answer), m.Truncated)
	}
}

// More than DNS can carry, which only Records can be given, is no answer.
func TestTooMuchForAMessageIsServerFailure(t *testing.T) {
	large := []Record{CERT("b.example", 1, make([]byte, 40_000)), CERT("b.example", 1, append(make([]byte, 40_000), 1))}
	z := start(t, large...)
	for _, network := range []string{"udp", "tcp"} {
		m := ask(t, z.Addr(), network, question("b.example", dns.TypeCERT))
		if network == "tcp" && (m.Rcode != dns.RcodeServerFailure || len(m.Answer) > 0) || network == "udp" && len(m.Answer) > 0 {
			t.Errorf("%s:\n%s", network, m)
		}
	}
}

// An empty set has no zones.
func TestNothingIsPublished(t *testing.T) {
	s := new(site)
	s.set.Store(&publish.Set{Options: publish.Options{NameServers: []mime.Domain{"ns.b.example"},
		Hosts: map[mime.Domain][]netip.Addr{"ns.b.example": {netip.IPv6Loopback()}}}})
	_, addr := s.serve(t, Options{})
	m := ask(t, addr, "udp", question("ns.b.example", dns.TypeAAAA))
	if m.Rcode != dns.RcodeRefused {
		t.Errorf("%s", m)
	}
}
