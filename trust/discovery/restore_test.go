package discovery

import (
	"context"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/testnet"
	"postern/mime"
)

var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func atMoment() time.Time { return moment }

// keeping returns a Resolver that stands still at a moment.
func keeping(t testing.TB) *Resolver {
	t.Helper()
	d, err := NewDNS([]string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	d.Now = atMoment
	r := &Resolver{DNS: d, Now: atMoment}
	r.make()
	t.Cleanup(func() {
		r.Close()
		d.Close()
	})
	return r
}

// FuzzRestore holds what comes from the store to its bounds: nothing that is
// restored is longer to be used than it would be after a look-up now, or is of
// the future, and what is saved again reads as the same.
func FuzzRestore(f *testing.F) {
	cert := testnet.NewPKI(f, moment).Root("root").Leaf("b.example", testnet.EC(elliptic.P256())).Cert
	rr := &dns.CERT{Hdr: dns.RR_Header{Name: "b.example.", Rrtype: dns.TypeCERT, Class: dns.ClassINET, Ttl: 3600},
		Type: CertPKIX, Certificate: base64.StdEncoding.EncodeToString(cert.Raw)}
	wire := make([]byte, dns.Len(rr))
	n, err := dns.PackRR(rr, wire, 0, nil, false)
	if err != nil {
		f.Fatal(err)
	}
	good := document{Version: documentVersion,
		DNS: []kept{{Name: "b.example.", Type: dns.TypeCERT, Records: [][]byte{wire[:n]}, Asked: moment, Expires: moment.Add(time.Hour)}},
		Shelf: []keptLearnt{{Key: shelfKey(ofDirectories, "b.example", "alice@b.example"), Query: "(mail=alice@b.example)",
			Certificates: [][]byte{cert.Raw}, Asked: moment.Add(-time.Minute), Expires: moment.Add(time.Hour)}}}
	future, endless, garbage := good, good, good
	future.Shelf = slices.Clone(good.Shelf)
	future.Shelf[0].Asked = moment.Add(time.Hour)
	endless.Shelf = slices.Clone(good.Shelf)
	endless.Shelf[0].Expires = moment.AddDate(200, 0, 0)
	garbage.Shelf = []keptLearnt{{Key: "x"}, {Key: "url\x00x\x00http://x/", Certificates: [][]byte{nil}}, {Key: "url\x00\x00", Unreadable: -1}}
	for _, d := range []document{good, future, endless, garbage, {}} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"Version":1,"DNS":[{}],"Shelf":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := readDocument(text)
		if err != nil {
			return
		}
		r := keeping(t)
		r.restore(d)
		for _, e := range r.shelf.known {
			l := e.Value.(*shelved).learnt
			if l.asked.After(moment) || l.expires.Sub(moment) > keepFound || len(l.haul.certs) == 0 || len(l.haul.certs) > MaxCertificates || l.failed() {
				t.Fatalf("restored %+v", l)
			}
		}
		if r.shelf.octets > shelfOctets || r.shelf.used.Len() > shelfEntries || r.shelf.used.Len() != len(r.shelf.known) {
			t.Fatalf("%d octets, %d entries", r.shelf.octets, r.shelf.used.Len())
		}
		answers, found := r.DNS.snapshot(), r.shelf.snapshot()
		again, digest, err := writeDocument(answers, found)
		if err != nil || len(again) > maxDocument {
			t.Fatalf("%d octets: %v", len(again), err)
		}
		d, err = readDocument(again)
		if err != nil {
			t.Fatal(err)
		}
		second := keeping(t)
		second.restore(d)
		if diff := cmp.Diff(found, second.shelf.snapshot()); diff != "" {
			t.Fatalf("(-saved +read):\n%s", diff)
		}
		_, same, err := writeDocument(second.DNS.snapshot(), second.shelf.snapshot())
		if err != nil || same != digest {
			t.Fatalf("the digest changed: %v", err)
		}
	})
}

// What does not fit is left out, the longest unused first.
func TestDocumentIsBounded(t *testing.T) {
	k := keptLearnt{Query: strings.Repeat("x", 64<<10)}
	var found []keptLearnt
	for i := range 2 * maxDirectory >> 16 {
		k.Key = fmt.Sprint(i)
		found = append(found, k)
	}
	var answers []kept
	for i := range 2 * maxDocument >> 16 {
		answers = append(answers, kept{Name: fmt.Sprint(i), Server: k.Query})
	}
	text, _, err := writeDocument(answers, found)
	if err != nil {
		t.Fatal(err)
	}
	d, err := readDocument(text)
	if err != nil {
		t.Fatalf("%d octets: %v", len(text), err)
	}
	if len(d.Shelf) < 60 || len(d.DNS) < 180 || d.Shelf[0].Key != "0" || d.DNS[0].Name != "0" {
		t.Errorf("%d of directories, %d of DNS", len(d.Shelf), len(d.DNS))
	}
}

func TestShelfIsBounded(t *testing.T) {
	cert := testnet.NewPKI(t, moment).Root("root").Cert
	l := learnt{asked: moment, expires: moment.Add(time.Hour)}
	s := newShelf(atMoment, nil)
	for i := range shelfEntries + 10 {
		s.put(fmt.Sprint(i), l)
	}
	if s.used.Len() != shelfEntries || len(s.known) != shelfEntries || s.known["9"] != nil || s.known["10"] == nil {
		t.Errorf("%d entries", s.used.Len())
	}
	for range MaxCertificates {
		l.haul.certs = append(l.haul.certs, cert)
	}
	for i := range shelfEntries {
		s.put(fmt.Sprint(i), l)
	}
	sum := 0
	for key, e := range s.known {
		at := e.Value.(*shelved)
		sum += len(key) + at.size()
	}
	if s.octets > shelfOctets || s.octets != sum {
		t.Errorf("%d octets counted, %d there", s.octets, sum)
	}
}

// A failure does not take the place of a certificate that is still good.
func TestShelfKeepsWhatIsGood(t *testing.T) {
	s := newShelf(atMoment, nil)
	good := learnt{asked: moment, expires: moment.Add(time.Hour)}
	good.haul.certs = append(good.haul.certs, testnet.NewPKI(t, moment).Root("root").Cert)
	s.put("x", good)
	s.put("x", learnt{asked: moment, expires: moment.Add(time.Minute), temporary: errClosed})
	if l, ok := s.look("x"); !ok || len(l.haul.certs) != 1 {
		t.Error("it is gone")
	}
	s.put("x", learnt{asked: moment, expires: moment.Add(time.Minute)})
	if l, ok := s.look("x"); !ok || len(l.haul.certs) != 0 {
		t.Error("what a fresh answer says is not kept")
	}
}

// A flight that panics is a failure of those who wait for it, and of nobody else.
func TestCD31_PanicsEndWithTheFlight(t *testing.T) {
	alarms := 0
	s := newShelf(atMoment, func(string, ...any) { alarms++ })
	defer s.close()
	l, _, err := s.get(t.Context(), "x", false, time.Second, func(context.Context) learnt { panic("hostile") })
	if err != nil || l.temporary == nil || alarms != 1 {
		t.Errorf("%+v, %v, %d alarms", l, err, alarms)
	}
}

func TestTablesOfTheDeadAreBounded(t *testing.T) {
	var d domains
	for i := range maxDead + 100 {
		d.died(mime.Domain(fmt.Sprintf("d%d.example", i)), moment)
	}
	if len(d.lost) != maxDead {
		t.Errorf("%d domains", len(d.lost))
	}
	d.died("last.example", moment.Add(time.Hour))
	if len(d.lost) != 1 {
		t.Errorf("%d domains after an hour", len(d.lost))
	}
	var s deadServers
	for i := range maxDeadServers + 100 {
		s.tell(serverKey{target: fmt.Sprint(i)}, deadServer{moment, AnswerTimeout, errClosed}, false)
	}
	if len(s.all) != maxDeadServers {
		t.Errorf("%d servers", len(s.all))
	}
}

// FuzzDocument reads what a web server has where a CERT record says that a
// certificate is.
func FuzzDocument(f *testing.F) {
	cert := testnet.NewPKI(f, moment).Root("root").Leaf("b.example", testnet.EC(elliptic.P256())).Cert
	f.Add([]byte("http://www.b.example/alice\x00"), cert.Raw)
	f.Add([]byte("HTTPS://www.b.example/"), []byte("-----BEGIN CERTIFICATE-----\n"+base64.StdEncoding.EncodeToString(cert.Raw)+"\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("ldap://x"), []byte("0\x80"))
	f.Fuzz(func(t *testing.T, url, body []byte) {
		records := []CERT{{CertIPKIX, url}, {CertIPKIX, url}, {CertPKIX, url}, {CertIPKIX, body}}
		urls := urlsOf(records)
		if len(urls) == 0 || len(urls) > 2 {
			t.Fatalf("URLs %q", urls)
		}
		var h haul
		err := h.addDocument(body)
		if !h.any() || (err == nil) != (len(h.certs) == 1) {
			t.Fatalf("%+v: %v", h, err)
		}
	})
}
