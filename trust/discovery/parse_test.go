package discovery

import (
	"encoding/base64"
	"encoding/pem"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet"
)

// FuzzCERT takes the wire form of an answer with CERT records through to
// certificates.
func FuzzCERT(f *testing.F) {
	pki := testnet.NewPKI(f, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	cert := pki.Root("root").Leaf("b.example").Cert
	for _, data := range [][]byte{cert.Raw, cert.Raw[:100], nil, []byte("garbage"),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})} {
		m := new(dns.Msg)
		m.SetQuestion("b.example.", dns.TypeCERT)
		m.Response = true
		for _, kind := range []uint16{CertPKIX, 4} {
			m.Answer = append(m.Answer, &dns.CERT{
				Hdr:         dns.RR_Header{Name: "b.example.", Rrtype: dns.TypeCERT, Class: dns.ClassINET},
				Type:        kind,
				Certificate: base64.StdEncoding.EncodeToString(data)})
		}
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		m := new(dns.Msg)
		if m.Unpack(wire) != nil {
			return
		}
		end, hops, _ := chase(m.Answer, "b.example.", dns.TypeCERT)
		if hops > maxCNAMEs+1 {
			t.Fatalf("%d aliases", hops)
		}
		h := certificatesIn(certRecords(answer{records: recordsAt(m.Answer, end, dns.TypeCERT)}))
		if len(h.list) > MaxCertificates {
			t.Fatalf("%d certificates", len(h.list))
		}
		for _, c := range h.list {
			if c == nil || len(c.Raw) > MaxCertificate {
				t.Fatalf("certificate %v", c)
			}
		}
	})
}

func TestHaulBoundsEachCertificate(t *testing.T) {
	var h certificates
	h.add(make([]byte, MaxCertificate+1))
	h.add([]byte("garbage"))
	if h.bad != 2 || !h.any() {
		t.Errorf("%+v", h)
	}
	for range MaxCertificates {
		h.add(nil)
	}
	if h.bad != MaxCertificates || h.over != 2 {
		t.Errorf("%+v", h)
	}
}

func TestCD21_OrderIsByPriorityThenByWeightedDraw(t *testing.T) {
	counts := map[string]int{}
	for range 1000 {
		got := order([]SRV{{2, 0, 1, "last"}, {1, 0, 1, "zero"}, {1, 10, 1, "light"}, {1, 90, 1, "heavy"}})
		if got[3].Target != "last" || got[2].Target != "zero" {
			t.Fatalf("order %v", got)
		}
		counts[got[0].Target]++
	}
	// 900 are expected, with a deviation of less than 10.
	if counts["heavy"] < 800 || counts["light"] < 20 {
		t.Errorf("first were %v", counts)
	}
}

func TestCD28_MailFilterIsEscaped(t *testing.T) {
	if got, want := mailFilter("*)(uid=*\x00\\"), `(mail=\2a\29\28uid=\2a\00\5c)`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
