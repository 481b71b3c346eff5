package discovery

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/fetch"
	"postern/internal/guard"
)

// CD-10: a server of a domain is asked over UDP and TCP, without anybody in
// between.
func TestCD10_OneServerIsAsked(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	d, _ := dnsClient(t, s)
	d.Port = s.addr.Port()
	s.on("good.example. CERT", gives(t, true, certRecord("good.example.", 60, []byte("one")), certRecord("good.example.", 60, []byte("two"))))
	s.on("other.example. CERT", gives(t, false, certRecord("other.example.", 60, []byte("one"))))
	s.on("alias.example. CERT", gives(t, true, "alias.example. 60 IN CNAME far.example."))
	s.on("none.example. CERT", denies(t, dns.RcodeNameError))
	s.on("cut.example. CERT", func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative, m.Truncated = true, true
		_ = w.WriteMsg(m)
	})
	s.on("refused.example. CERT", says(dns.RcodeRefused))
	for name, want := range map[string]ServerAnswer{
		"good.example":  {Certs: []CERT{{CertPKIX, []byte("one")}, {CertPKIX, []byte("two")}}, Authoritative: true},
		"other.example": {Certs: []CERT{{CertPKIX, []byte("one")}}},
		"alias.example": {Alias: true, Authoritative: true},
		"none.example":  {Authoritative: true},
		"cut.example":   {Truncated: true, Authoritative: true},
	} {
		for _, network := range []string{"udp", "tcp"} {
			got, err := d.AskServer(t.Context(), network, s.addr.Addr(), name)
			if err != nil {
				t.Errorf("%s over %s: %v", name, network, err)
				continue
			}
			sameAs(t, name+" over "+network, got, want)
		}
	}
	_, err := d.AskServer(t.Context(), "udp", s.addr.Addr(), "refused.example")
	if kindOf(err) != AnswerRefused {
		t.Errorf("refused: %v", err)
	}
	_, err = d.AskServer(t.Context(), "udp", s.addr.Addr(), strings.Repeat("x.", 200)+"example")
	if !Answered(err) {
		t.Errorf("no name: %v", err)
	}
	d.Network = guard.Policy{}
	_, err = d.AskServer(t.Context(), "tcp", netip.MustParseAddr("127.0.0.1"), "good.example")
	if !errors.Is(err, guard.ErrForbidden) {
		t.Errorf("a private address: %v", err)
	}
}

// UDP loses packets: the question is put twice.
func TestOneServerIsAskedTwiceByUDP(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	d, _ := dnsClient(t, s)
	d.Port = s.addr.Port()
	var lost atomic.Bool
	answer := gives(t, true, certRecord("b.example.", 60, []byte("one")))
	s.on("b.example. CERT", func(w dns.ResponseWriter, q *dns.Msg) {
		if lost.Swap(true) {
			answer(w, q)
		}
	})
	got, err := d.AskServer(t.Context(), "udp", s.addr.Addr(), "b.example")
	if err != nil || len(got.Certs) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLookupNS(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	d, _ := dnsClient(t, s)
	s.on("b.example. NS", gives(t, false, "b.example. 60 IN NS ns.b.example."))
	s.on("x.b.example. NS", denies(t, dns.RcodeSuccess, "b.example. 60 IN SOA ns.b.example. h.b.example. 1 1 1 1 60"))
	got, err := d.LookupNS(t.Context(), "b.example")
	if err != nil {
		t.Fatal(err)
	}
	sameAs(t, "name servers", got, []string{"ns.b.example"})
	_, err = d.LookupNS(t.Context(), "x.b.example")
	if !Answered(err) {
		t.Errorf("no zone of its own: %v", err)
	}
	_, err = d.LookupNS(t.Context(), "refused.example")
	if err == nil || Answered(err) {
		t.Errorf("refused: %v", err)
	}
}

// What asks anew knows nothing of what is kept, and leaves it as it is.
func TestAnewKnowsNothing(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	d, _ := dnsClient(t, s)
	s.on("b.example. CERT", gives(t, false, certRecord("b.example.", 60, []byte("one"))))
	s.on("b.example. A", gives(t, false, "b.example. 60 IN A 127.0.0.1"))
	r := &Resolver{DNS: d, Fetcher: &fetch.Client{Lookup: d.LookupHost}}
	for range 2 {
		_, err := d.LookupCERT(t.Context(), "b.example")
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.LookupHost(t.Context(), "b.example")
		if err != nil {
			t.Fatal(err)
		}
	}
	sameAs(t, "asked", s.count("b.example. CERT"), 1)
	again := r.Anew()
	defer again.DNS.Close()
	defer again.Close()
	_, err := again.DNS.LookupCERT(context.Background(), "b.example")
	if err != nil {
		t.Fatal(err)
	}
	sameAs(t, "asked anew", s.count("b.example. CERT"), 2)
	_, err = again.Fetcher.(*fetch.Client).Lookup(context.Background(), "b.example")
	if err != nil {
		t.Fatal(err)
	}
	sameAs(t, "asked anew for the address of a web server", s.count("b.example. A"), 2)
}

func sameAs(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
