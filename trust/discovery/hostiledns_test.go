package discovery

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet/effort"
)

func TestCD6_FiftyCertificatesComeByTCP(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	var records []string
	for i := range 50 {
		records = append(records, certRecord("b.example.", 60, bytes.Repeat([]byte{byte(i)}, 1000)))
	}
	s.on("b.example. CERT", func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = rrs(t, records...)
		if w.LocalAddr().Network() == "udp" {
			m.Truncate(int(q.IsEdns0().UDPSize()))
		}
		_ = w.WriteMsg(m)
	})
	d, _ := dnsClient(t, s)
	a := kindOfQuery(t, d, b, dns.TypeCERT)
	if len(a.records) != 50 || len(a.trail) != 2 {
		t.Errorf("%d records by %d questions", len(a.records), len(a.trail))
	}
	certs, err := d.LookupCERT(t.Context(), b)
	if err != nil || len(certs) != 50 || len(certs[49].Data) != 1000 {
		t.Errorf("%d certificates, %v", len(certs), err)
	}
}

// As many records as a message can hold: few are kept, and soon.
func TestHostileAnswersOfThousandsOfRecords(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	long := strings.Repeat(strings.Repeat("x", 60)+".", 3) + "b.example."
	for _, qtype := range []uint16{dns.TypeCERT, dns.TypeCNAME} {
		s.on(long+" CERT", func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			if w.LocalAddr().Network() == "udp" {
				m.Truncated = true
				_ = w.WriteMsg(m)
				return
			}
			h := dns.RR_Header{Name: long, Rrtype: qtype, Class: dns.ClassINET, Ttl: 60}
			for range 3600 {
				if qtype == dns.TypeCERT {
					m.Answer = append(m.Answer, &dns.CERT{Hdr: h, Type: CertPKIX, Certificate: "AA=="})
				} else {
					m.Answer = append(m.Answer, &dns.CNAME{Hdr: h, Target: long})
				}
			}
			m.Compress = true
			wire, err := m.Pack()
			if err != nil || len(wire) > dns.MaxMsgSize {
				t.Errorf("%d octets, %v", len(wire), err)
			}
			_, _ = w.Write(wire)
		})
		d, _ := dnsClient(t, s)
		spent := effort.Since()
		a, err := d.query(t.Context(), long, dns.TypeCERT, true)
		if took := spent(); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if qtype == dns.TypeCERT && (err != nil || len(a.records) != maxRecords) || qtype == dns.TypeCNAME && a.kind != AnswerRefused && a.kind != AnswerBroken {
			t.Errorf("%d records, %s, %v", len(a.records), a.kind, err)
		}
	}
}

// A server that sends one octet now and then holds us for one try, not more.
func TestHostileAnswersThatDrip(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. MX", func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if w.LocalAddr().Network() == "udp" {
			m.Truncated = true
			_ = w.WriteMsg(m)
			return
		}
		<-t.Context().Done() // a length and no message
	})
	d, _ := dnsClient(t, s)
	d.TryTimeout = 50 * time.Millisecond
	if a := kindOfQuery(t, d, b, dns.TypeMX); a.kind != AnswerTimeout || len(a.trail) != 2 {
		t.Errorf("got %+v", a)
	}
}

func TestHostileAliasesAcrossAnswersEnd(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 60}
		m.Answer = []dns.RR{&dns.CNAME{Hdr: h, Target: fmt.Sprintf("%d.b.example.", s.count(""))}}
		_ = w.WriteMsg(m)
	})
	d, _ := dnsClient(t, s)
	if a := kindOfQuery(t, d, b, dns.TypeMX); a.kind != AnswerBroken || len(a.trail) != maxCNAMEs+1 {
		t.Errorf("got %+v", a)
	}
}

// An answer by UDP with a wrong id is one that somebody forged. When there are
// many, the answer is fetched by TCP, where they cannot reach.
func TestHostileForgersAreEscapedByTCP(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. MX", func(w dns.ResponseWriter, q *dns.Msg) {
		if w.LocalAddr().Network() == "udp" {
			for range 2 * maxStray {
				q.Id++
				gives(t, false, "b.example. 60 IN MX 0 forged.example.")(w, q)
			}
			return
		}
		gives(t, false, "b.example. 60 IN MX 0 mx.b.example.")(w, q)
	})
	d, _ := dnsClient(t, s)
	a := kindOfQuery(t, d, b, dns.TypeMX)
	if a.kind != AnswerFound || a.records[0].(*dns.MX).Mx != "mx.b.example." {
		t.Errorf("got %+v", a)
	}
}

// Records of other names, types and classes beside the right ones are no part
// of the answer.
func TestHostileRecordsBesideAreLeft(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("b.example. MX", gives(t, false,
		"c.example. 60 IN MX 0 wrong.example.", "b.example. 60 CH MX 0 wrong.example.",
		"b.example. 60 IN A 127.0.0.1", "b.example. 60 IN MX 0 right.example."))
	d, _ := dnsClient(t, s)
	if a := kindOfQuery(t, d, b, dns.TypeMX); len(a.records) != 1 || a.records[0].(*dns.MX).Mx != "right.example." {
		t.Errorf("got %+v", a)
	}
}
