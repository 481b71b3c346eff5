package discovery

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/guard"
	"postern/internal/testnet"
)

// A nameserver answers by script over UDP and TCP, and counts what it is asked.
type nameserver struct {
	addr netip.AddrPort

	mu     sync.Mutex
	script map[string]dns.HandlerFunc // by "name. TYPE", or "" for all else
	asked  map[string]int
}

// nameserverAt starts a server at addr. Without a script it refuses everything.
func nameserverAt(t testing.TB, addr string) *nameserver {
	t.Helper()
	var l net.Listener
	var pc net.PacketConn
	var err error
	for range 10 { // a port that is free for TCP may be taken for UDP
		l, err = net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		pc, err = net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			break
		}
		l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &nameserver{addr: netip.MustParseAddrPort(l.Addr().String()), script: map[string]dns.HandlerFunc{}, asked: map[string]int{}}
	for _, server := range []*dns.Server{{Listener: l}, {PacketConn: pc}} {
		server.Handler = s
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go func() { _ = server.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = server.ShutdownContext(ctx)
		})
	}
	return s
}

func questionOf(q *dns.Msg) string {
	return dns.CanonicalName(q.Question[0].Name) + " " + dns.TypeToString[q.Question[0].Qtype]
}

// ServeDNS does what the script says.
func (s *nameserver) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	s.asked[questionOf(q)]++
	handle := s.script[questionOf(q)]
	if handle == nil {
		handle = s.script[""]
	}
	s.mu.Unlock()
	if handle == nil {
		handle = says(dns.RcodeRefused)
	}
	handle(w, q)
}

func (s *nameserver) on(question string, handle dns.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[question] = handle
}

// count returns how often a question came, or, for "", how many came in all.
func (s *nameserver) count(question string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if question != "" {
		return s.asked[question]
	}
	sum := 0
	for _, n := range s.asked {
		sum += n
	}
	return sum
}

func rrs(t testing.TB, texts ...string) []dns.RR {
	t.Helper()
	var all []dns.RR
	for _, text := range texts {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rr)
	}
	return all
}

// gives answers with records, those with "; NS " in front of them in the
// authority section; by authority if it is a domain's own server.
func gives(t testing.TB, own bool, texts ...string) dns.HandlerFunc {
	t.Helper()
	answers := rrs(t, texts...)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.RecursionAvailable, m.Answer = own, !own, answers
		_ = w.WriteMsg(m)
	}
}

// denies answers that there is nothing, by the authority section given.
func denies(t testing.TB, rcode int, authority ...string) dns.HandlerFunc {
	t.Helper()
	ns := rrs(t, authority...)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetRcode(q, rcode)
		m.Authoritative, m.Ns = true, ns
		_ = w.WriteMsg(m)
	}
}

func says(rcode int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, rcode)) }
}

// refers names the servers of a zone, with glue.
func refers(t testing.TB, ns []string, glue ...string) dns.HandlerFunc {
	t.Helper()
	servers, extra := rrs(t, ns...), rrs(t, glue...)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Ns, m.Extra = servers, extra
		_ = w.WriteMsg(m)
	}
}

func ignores(dns.ResponseWriter, *dns.Msg) {}

// certRecord is a CERT record of type PKIX in text.
func certRecord(name string, ttl int, der []byte) string {
	return fmt.Sprintf("%s %d IN CERT 1 0 0 %s", name, ttl, base64.StdEncoding.EncodeToString(der))
}

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// dnsClient asks servers, by a clock of its own, and may reach loopback.
func dnsClient(t testing.TB, servers ...*nameserver) (*DNS, *testnet.Clock) {
	t.Helper()
	var addrs []string
	for _, s := range servers {
		addrs = append(addrs, s.addr.String())
	}
	d, err := NewDNS(addrs)
	if err != nil {
		t.Fatal(err)
	}
	clock := testnet.NewClock(testStart)
	d.TryTimeout, d.Tries, d.Now = 2*time.Second, 1, clock.Now
	d.Network = guard.Policy{AllowPrivate: true}
	t.Cleanup(d.Close)
	return d, clock
}

// kindOfQuery asks and checks that answer and error agree.
func kindOfQuery(t testing.TB, d *DNS, name string, qtype uint16) answer {
	t.Helper()
	a, err := d.query(t.Context(), name, qtype, false)
	var e *DNSError
	if err != nil && (!errors.As(err, &e) || e.Kind != a.kind || len(a.records) > 0) || err == nil && (len(a.records) == 0 || a.kind != AnswerFound) {
		t.Errorf("%s: the answer %+v does not agree with %v", name, a, err)
	}
	if err != nil {
		t.Log(err)
	}
	return a
}
