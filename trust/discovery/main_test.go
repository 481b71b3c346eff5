package discovery_test

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"postern/internal/guard"
	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/trust/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var loopback = netip.MustParseAddr("127.0.0.1")

var address = testnet.Address

// client returns a DNS client of servers that is quick to give up.
func client(t testing.TB, servers ...string) *discovery.DNS {
	t.Helper()
	d, err := discovery.NewDNS(servers)
	if err != nil {
		t.Fatal(err)
	}
	d.TryTimeout = time.Second
	return d
}

func resolver(t testing.TB, servers ...string) *discovery.Resolver {
	t.Helper()
	return &discovery.Resolver{DNS: client(t, servers...), Network: guard.Policy{AllowPrivate: true}, Budget: 20 * time.Second}
}

// serve publishes records of b.example, whose apex is added.
func serve(t testing.TB, records ...named.Record) string {
	t.Helper()
	z, err := named.Records(append([]named.Record{
		named.Apex("b.example", "ns.b.example"), named.A("ns.b.example", loopback)}, records...)...)
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
	return z.Addr()
}

// fake serves whatever handle answers, over UDP and TCP.
func fake(t testing.TB, handle func(w dns.ResponseWriter, q *dns.Msg)) string {
	t.Helper()
	l, pc, err := named.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l}, {PacketConn: pc}} {
		s.Handler = dns.HandlerFunc(handle)
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = s.ShutdownContext(ctx)
		})
	}
	return l.Addr().String()
}

// pass hands a question on to the server at addr, and returns its answer.
func pass(t testing.TB, addr string, w dns.ResponseWriter, q *dns.Msg) *dns.Msg {
	c := &dns.Client{Net: w.LocalAddr().Network(), Timeout: 10 * time.Second}
	m, _, err := c.Exchange(q, addr)
	if err != nil {
		t.Error(err)
		return new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
	}
	return m
}

// aliased answers for the server at addr, and that some names are others.
func aliased(t testing.TB, addr string, names map[string]string) string {
	t.Helper()
	return fake(t, func(w dns.ResponseWriter, q *dns.Msg) {
		var chain []dns.RR
		end := q.Copy()
		for range 20 {
			name := dns.CanonicalName(end.Question[0].Name)
			if names[name] == "" {
				break
			}
			end.Question[0].Name = names[name]
			chain = append(chain, &dns.CNAME{
				Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60},
				Target: names[name]})
		}
		m := pass(t, addr, w, end)
		m.Question, m.Answer = q.Question, append(chain, m.Answer...)
		_ = w.WriteMsg(m)
	})
}

func overTCP(w dns.ResponseWriter) bool { return w.LocalAddr().Network() == "tcp" }

// reply answers with one A record for the question's name.
func reply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg)
	m.SetReply(q)
	m.Answer = []dns.RR{&dns.A{
		Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
		A:   net.IPv4(192, 0, 2, 1)}}
	return m
}

func code(rcode int) func(dns.ResponseWriter, *dns.Msg) {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		_ = w.WriteMsg(m.SetRcode(q, rcode))
	}
}

// silent returns a server that reads and never answers.
func silent(t testing.TB) string {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr().String()
}
