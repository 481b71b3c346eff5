package discovery

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
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
		Results: []keptResult{{resultKey: resultKey{ofDirectories, "b.example", "alice@b.example"}, Query: "(mail=alice@b.example)",
			Certificates: [][]byte{cert.Raw}, Asked: moment.Add(-time.Minute), Expires: moment.Add(time.Hour)}}}
	future, endless, garbage := good, good, good
	future.Results = slices.Clone(good.Results)
	future.Results[0].Asked = moment.Add(time.Hour)
	endless.Results = slices.Clone(good.Results)
	endless.Results[0].Expires = moment.AddDate(200, 0, 0)
	garbage.Results = []keptResult{{resultKey: resultKey{Kind: "x"}}, {resultKey: resultKey{ofDocument, "x", "http://x/"}, Certificates: [][]byte{nil}},
		{resultKey: resultKey{Kind: ofDocument}, Unreadable: -1}}
	for _, d := range []document{good, future, endless, garbage, {}} {
		text, err := json.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"Version":1,"DNS":[{}],"Results":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := readDocument(text)
		if err != nil {
			return
		}
		r := keeping(t)
		_, err = r.restore(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range r.results.all() {
			if l.asked.After(moment) || l.expires.Sub(moment) > keepFound || len(l.found.list) == 0 || len(l.found.list) > MaxCertificates || l.failed() {
				t.Fatalf("restored %+v", l)
			}
		}
		kept := &r.results.kept
		if kept.octets > maxResultOctets || kept.used.Len() > maxResults || kept.used.Len() != len(kept.entries) {
			t.Fatalf("%d octets, %d entries", kept.octets, kept.used.Len())
		}
		answers, found := r.DNS.snapshot(), snapshotResults(r.results)
		again, digest, err := writeDocument(answers, found)
		if err != nil || len(again) > maxDocument {
			t.Fatalf("%d octets: %v", len(again), err)
		}
		d, err = readDocument(again)
		if err != nil {
			t.Fatal(err)
		}
		second := keeping(t)
		_, err = second.restore(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(found, snapshotResults(second.results), cmp.AllowUnexported(keptResult{})); diff != "" {
			t.Fatalf("(-saved +read):\n%s", diff)
		}
		_, same, err := writeDocument(second.DNS.snapshot(), snapshotResults(second.results))
		if err != nil || same != digest {
			t.Fatalf("the digest changed: %v", err)
		}
	})
}

// What does not fit is left out, the longest unused first.
func TestDocumentIsBounded(t *testing.T) {
	k := keptResult{Query: strings.Repeat("x", 64<<10)}
	var found []keptResult
	for i := range 2 * maxDirectory >> 16 {
		k.Name = fmt.Sprint(i)
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
	if len(d.Results) < 60 || len(d.DNS) < 180 || d.Results[0].Name != "0" || d.DNS[0].Name != "0" {
		t.Errorf("%d of directories, %d of DNS", len(d.Results), len(d.DNS))
	}
}

// result is one that directories gave for name.
func result(name string, of lookupResult, certs ...*x509.Certificate) *lookupResult {
	of.resultKey, of.found.list = resultKey{For: name}, certs
	return &of
}

var anHour = lookupResult{lifetime: lifetime{moment, moment.Add(time.Hour)}}

func TestResultsAreBounded(t *testing.T) {
	cert := testnet.NewPKI(t, moment).Root("root").Cert
	c := newCache[resultKey, *lookupResult, *search](atMoment, maxResults, maxResultOctets)
	for i := range maxResults + 10 {
		c.put(result(fmt.Sprint(i), anHour))
	}
	_, first := c.peek(resultKey{For: "9"})
	_, last := c.peek(resultKey{For: "10"})
	if c.kept.used.Len() != maxResults || len(c.kept.entries) != maxResults || first || !last {
		t.Errorf("%d entries", c.kept.used.Len())
	}
	for i := range maxResults {
		c.put(result(fmt.Sprint(i), anHour, slices.Repeat([]*x509.Certificate{cert}, MaxCertificates)...))
	}
	sum := 0
	for _, r := range c.all() {
		sum += r.size()
	}
	if c.kept.octets > maxResultOctets || c.kept.octets != sum {
		t.Errorf("%d octets counted, %d there", c.kept.octets, sum)
	}
}

// A failure does not take the place of an answer that is still good, nor an older
// answer that of a newer.
func TestWhatIsGoodIsKept(t *testing.T) {
	c := newCache[resultKey, *lookupResult, *search](atMoment, maxResults, maxResultOctets)
	failure, older := anHour, anHour
	failure.temporary, older.asked = errClosed, moment.Add(-time.Minute)
	cert := testnet.NewPKI(t, moment).Root("root").Cert
	for what, put := range map[string]*lookupResult{"a failure": result("x", failure), "an older answer": result("x", older)} {
		c.put(result("x", anHour, cert))
		c.put(put)
		if r, ok := c.peek(resultKey{For: "x"}); !ok || len(r.found.list) != 1 {
			t.Errorf("%s took its place", what)
		}
	}
	c.put(result("x", anHour))
	if r, ok := c.peek(resultKey{For: "x"}); !ok || len(r.found.list) != 0 {
		t.Error("what a fresh answer says is not kept")
	}
	c.put(result("x", failure))
	if r, ok := c.peek(resultKey{For: "x"}); !ok || r.temporary != nil {
		t.Error("a failure took the place of an absence")
	}
}

// A search that panics is a failure of those who wait for it, and of nobody else.
func TestCD31_PanicsEndWithTheSearch(t *testing.T) {
	r := keeping(t)
	var log bytes.Buffer
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	s := &search{r, resultKey{For: "x"}, func(context.Context, *lookupResult) { panic("hostile") }}
	l, by, err := r.results.get(t.Context(), s.resultKey, false, time.Second, s)
	if err != nil || by != s || l.temporary == nil || !strings.Contains(log.String(), "hostile") {
		t.Errorf("%+v, %v, log %q", l, err, log.String())
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
		var h certificates
		err := h.addDocument(body)
		if !h.any() || (err == nil) != (len(h.list) == 1) {
			t.Fatalf("%+v: %v", h, err)
		}
	})
}
