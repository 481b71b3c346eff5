package named

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/publish"
	"postern/mime"
)

// large is a set of ten thousand addresses.
func large(b *testing.B) *publish.Set {
	b.Helper()
	set := &publish.Set{Options: publish.Options{NameServers: []mime.Domain{"ns.other.example"}, TTL: time.Hour}, Domains: []mime.Domain{"b.example"}}
	for i := range 10000 {
		a := address(b, fmt.Sprintf("user%d@b.example", i))
		raw := make([]byte, 900)
		copy(raw, fmt.Sprint(i))
		set.Certificates = append(set.Certificates, publish.Certificate{Address: a, Domain: "b.example", Certificate: &x509.Certificate{Raw: raw}})
	}
	return set
}

// BenchmarkIndex is what a change costs.
func BenchmarkIndex(b *testing.B) {
	set := large(b)
	for b.Loop() {
		if _, _, err := indexOf(set); err != nil {
			b.Fatal(err)
		}
	}
}

// A sink takes an answer over UDP.
type sink struct{ n int }

func (s *sink) LocalAddr() net.Addr         { return client("192.0.2.1") }
func (s *sink) RemoteAddr() net.Addr        { return client("192.0.2.1") }
func (s *sink) WriteMsg(*dns.Msg) error     { return nil }
func (s *sink) Write(p []byte) (int, error) { s.n = len(p); return len(p), nil }
func (s *sink) Close() error                { return nil }
func (s *sink) TsigStatus() error           { return nil }
func (s *sink) TsigTimersOnly(bool)         {}
func (s *sink) Hijack()                     {}

// BenchmarkAnswer is what a question costs, but for the sockets.
func BenchmarkAnswer(b *testing.B) {
	set := large(b)
	server := New(func(context.Context) (*publish.Set, error) { return set, nil }, Options{Rate: 1000000})
	q := question("user777.b.example", dns.TypeCERT).SetEdns0(1232, false)
	w := new(sink)
	server.serveDNS(w, q)
	for b.Loop() {
		server.serveDNS(w, q)
	}
	if w.n < 900 {
		b.Fatalf("an answer of %d octets", w.n)
	}
}
