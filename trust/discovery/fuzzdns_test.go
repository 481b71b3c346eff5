package discovery

import (
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet"
)

// FuzzAnswer takes what a server sends in answer to a question for CERT, as a
// resolver and as a server of the domain's own, into the cache, out to a file
// and back.
func FuzzAnswer(f *testing.F) {
	cert := testnet.NewPKI(f, testStart).Root("root").Leaf("b.example").Cert
	const name = "alice.b.example."
	ask := newQuestion(name, dns.TypeCERT, true)
	ask.Id = 1
	for _, change := range []func(m *dns.Msg){
		func(m *dns.Msg) {
			m.Answer = rrs(f, certRecord(name, 60, cert.Raw), certRecord(name, 60, []byte("garbage")))
		},
		func(m *dns.Msg) {
			m.Answer = rrs(f, name+" 60 IN CNAME a.b.example.", "a.b.example. 30 IN CERT 4 0 0 AAAA")
			m.Authoritative = true
		},
		func(m *dns.Msg) {
			m.Answer = rrs(f, name+" 60 IN CNAME a.c.example.", "a.c.example. 30 IN CNAME "+name)
		},
		func(m *dns.Msg) { m.Rcode, m.Ns = dns.RcodeNameError, rrs(f, soaOf("b.example.")) },
		func(m *dns.Msg) {
			m.Ns = rrs(f, "alice.b.example. 60 IN NS ns.alice.b.example.")
			m.Extra = rrs(f, "ns.alice.b.example. 60 IN A 127.0.0.1")
		},
		func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadVers },
	} {
		m := new(dns.Msg).SetReply(ask)
		change(m)
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m, err := readAnswer(wire, ask)
		if err != nil {
			return
		}
		for _, zone := range []string{"", "b.example."} {
			checkReply(t, reply{Msg: m, server: "192.0.2.1:53", zone: zone}, name)
		}
	})
}

func checkReply(t *testing.T, r reply, name string) {
	end, hops, life := chase(r.answers(), name, dns.TypeCERT)
	if hops > maxCNAMEs+1 || life < 0 || life > maxLife {
		t.Fatalf("%d aliases for %v", hops, life)
	}
	next, further := r.referral(name)
	closer := inZone(next.zone, r.zone) && !sameName(next.zone, r.zone) && inZone(name, next.zone)
	if r.zone != "" && further && (!closer || len(next.hosts) > maxOwnServers) {
		t.Fatalf("referred to %+v", next)
	}
	found, done := r.at(end, dns.TypeCERT, hops == 0)
	if !done {
		return
	}
	if (found.err == nil) != (len(found.records) > 0) || len(found.records) > maxRecords || found.life < 0 || found.life > maxLife {
		t.Fatalf("found %+v", found)
	}
	for _, rr := range found.records {
		if !r.speaksFor(rr.Header().Name) {
			t.Fatalf("%s says %s", r.zone, rr)
		}
	}
	e := newEntry(dnsKey{wireName(name), dns.TypeCERT}, found, testStart)
	if e.expires.Before(testStart) || e.expires.After(testStart.Add(maxLife)) || e.size() < perEntry {
		t.Fatalf("kept as %+v", e)
	}
	if found.kind == AnswerFound {
		checkKept(t, e)
	}
}

// checkKept takes an entry out and back.
func checkKept(t *testing.T, e *entry) {
	k, err := e.keep()
	if err != nil {
		t.Fatal(err)
	}
	d := &DNS{Now: func() time.Time { return testStart }}
	if got, want := len(d.restore([]kept{k})), e.goodAt(testStart); (got == 1) != want {
		t.Fatalf("%d came back of %+v", got, k)
	}
	for i, again := range d.snapshot() {
		if i > 0 || !again.Expires.Equal(e.expires) || len(again.Records) != len(e.records) || again.Own != e.authoritative {
			t.Fatalf("came back as %+v", again)
		}
	}
}
