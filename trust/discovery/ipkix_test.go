package discovery_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// ipkix publishes URLs for alice.
func (w *world) ipkix(t testing.TB, urls ...string) {
	t.Helper()
	for _, u := range urls {
		w.cert(t, "alice.b.example", discovery.CertIPKIX, []byte(u))
	}
}

func TestCD4_CertificatesByURL(t *testing.T) {
	ca := newAuthority(t)
	one, two := ca.leaf("one"), ca.leaf("two")
	p7 := func(all ...[]byte) []byte {
		certs, _, err := bundle.Read(bytes.Join(all, nil))
		if err != nil {
			t.Fatal(err)
		}
		data, err := bundle.Write(certs)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	inPEM := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	web := testnet.NewWeb(t)
	for path, body := range map[string][]byte{
		"/der": one.Raw, "/pem": inPEM(one.Raw), "/p7c": p7(inPEM(one.Raw)), "/two": two.Raw,
		"/several": p7(inPEM(one.Raw), inPEM(two.Raw)), "/garbage": []byte("garbage"), "/empty": {},
		"/large": append(bytes.Clone(one.Raw), make([]byte, discovery.MaxCertificate)...),
	} {
		web.Put(path, "application/pkix-cert", body)
	}
	dead := "http://" + testnet.DeadPort(t)
	for _, c := range []struct {
		name string
		urls []string
		code reason.Code
		want []string
	}{
		{"DER", []string{web.URL + "/der"}, reason.OK, []string{"one"}},
		{"PEM", []string{web.URL + "/pem"}, reason.OK, []string{"one"}},
		{"PKCS 7", []string{web.URL + "/p7c"}, reason.OK, []string{"one"}},
		{"two", []string{web.URL + "/der", web.URL + "/two"}, reason.OK, []string{"one", "two"}},
		{"good beside dead and garbage", []string{dead, web.URL + "/garbage", web.URL + "/der"}, reason.OK, []string{"one"}},
		{"the first four of many", []string{web.URL + "/a", web.URL + "/b", web.URL + "/a", web.URL + "/c", web.URL + "/d", web.URL + "/der"},
			reason.NoCertificate, nil},
		{"several in one", []string{web.URL + "/several"}, reason.NoCertificate, nil},
		{"garbage", []string{web.URL + "/garbage"}, reason.NoCertificate, nil},
		{"empty", []string{web.URL + "/empty"}, reason.NoCertificate, nil},
		{"large", []string{web.URL + "/large"}, reason.NoCertificate, nil},
		{"missing", []string{web.URL + "/nothing"}, reason.NoCertificate, nil},
		{"another scheme", []string{"ftp://www.b.example/der", "ldap://www.b.example/", "file:///etc/passwd"}, reason.NoCertificate, nil},
		{"no URL", []string{"\x00", "../der", "http://", "http://x\r\ny/"}, reason.NoCertificate, nil},
		{"dead", []string{dead + "/der"}, reason.DiscoveryTimeout, nil},
		{"dead beside garbage", []string{dead + "/der", web.URL + "/garbage"}, reason.DiscoveryTimeout, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.ipkix(t, c.urls...)
			// CD-41: whatever comes of a URL, this is no way to the domain's.
			w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("domain").Raw)
			got := ask(t, w.resolver(t), alice)
			var want []place
			for _, name := range c.want {
				want = append(want, place{name, discovery.DNSAddress})
			}
			check(t, got, c.code, want...)
			if w.count("b.example. CERT") != 1 {
				t.Error("the search went on to the domain")
			}
			if n := len(got.Steps) - 1; n > 4 {
				t.Errorf("%d URLs were tried", n)
			}
		})
	}
}

// A readable certificate beside URLs is what the domain publishes; they are not
// asked.
func TestCD4_CertificateBesideURL(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t)
	web := testnet.NewWeb(t)
	web.Put("/other", "", ca.leaf("other").Raw)
	w.cert(t, "alice.b.example", discovery.CertPKIX, ca.leaf("alice").Raw)
	w.ipkix(t, web.URL+"/other")
	check(t, ask(t, w.resolver(t), alice), reason.OK, place{"alice", discovery.DNSAddress})
	if web.Asked("/other") != 0 {
		t.Error("the URL was fetched")
	}
}

// The addresses that strangers name are guarded, after the look-up of the name.
func TestCD4_URLsAreGuarded(t *testing.T) {
	ca := newAuthority(t)
	web := testnet.NewWeb(t)
	web.Put("/der", "", ca.leaf("one").Raw)
	port := web.URL[strings.LastIndex(web.URL, ":"):]
	for _, url := range []string{
		web.URL + "/der", "http://www.b.example" + port + "/der", "http://169.254.169.254/latest/meta-data/", "http://[::1]" + port + "/der",
		"http://10.0.0.1/", "http://localhost.b.example" + port + "/",
	} {
		w := newWorld(t)
		w.put(t, "localhost.b.example. 3600 IN A 127.0.0.1")
		w.ipkix(t, url)
		got := ask(t, w.resolver(t, func(r *discovery.Resolver) { r.Network = guard.Policy{} }), alice)
		check(t, got, reason.NoCertificate)
		if last := got.Steps[len(got.Steps)-1]; last.Answer != discovery.AnswerForbidden || !errors.Is(last.Err, guard.ErrForbidden) {
			t.Errorf("%s: %s, %v", url, last.Answer, last.Err)
		}
	}
	if web.Asked("/der") != 0 {
		t.Error("it was asked")
	}
}

// A fetcher serves documents from memory.
type fetcher struct {
	now func() time.Time

	mu    sync.Mutex
	pages map[string][]byte
	fresh time.Duration
	err   error
	asked int
	limit int
}

func (f *fetcher) Do(_ context.Context, r fetch.Request) (fetch.Document, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	f.limit = r.Limit
	if f.err != nil {
		return fetch.Document{}, f.err
	}
	d := fetch.Document{Body: f.pages[r.URL], Fetched: f.now()}
	if f.fresh > 0 {
		d.Expires = d.Fetched.Add(f.fresh)
	}
	return d, nil
}

// CD-12: what a URL gave is kept no longer than the record that names it, than
// its server says, and than an hour.
func TestCD12_DocumentsAreKept(t *testing.T) {
	ca := newAuthority(t)
	const url = "http://www.b.example/alice"
	for _, c := range []struct {
		name       string
		ttl        int
		fresh      time.Duration
		err        error
		kept, over time.Duration
	}{
		{name: "by the record", ttl: 600, kept: 599 * time.Second, over: 601 * time.Second},
		{name: "by the server", ttl: 3600, fresh: time.Minute, kept: 59 * time.Second, over: 61 * time.Second},
		{name: "an hour", ttl: 86400, fresh: 24 * time.Hour, kept: 3599 * time.Second, over: 3601 * time.Second},
		{name: "not at all", ttl: 0, kept: 0, over: 0},
		{name: "failures", ttl: 3600, err: fetch.ErrUnanswered, kept: 29 * time.Second, over: 31 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.put(t, fmt.Sprintf("alice.b.example. %d IN CERT 4 0 0 aHR0cDovL3d3dy5iLmV4YW1wbGUvYWxpY2U=", c.ttl))
			f := &fetcher{now: w.now, pages: map[string][]byte{url: ca.leaf("alice").Raw}, fresh: c.fresh, err: c.err}
			r := w.resolver(t, func(r *discovery.Resolver) { r.Fetcher = f })
			first := ask(t, r, alice)
			if (first.Err == nil) != (c.err == nil) || first.Cached {
				t.Fatalf("%v, cached %v", first.Err, first.Cached)
			}
			want := 1
			if c.kept > 0 {
				w.pass(c.kept)
				ask(t, r, alice)
			}
			w.pass(c.over - c.kept)
			if f.asked != want {
				t.Errorf("asked %d times after %v", f.asked, c.kept)
			}
			ask(t, r, alice)
			if f.asked != want+1 {
				t.Errorf("asked %d times after %v", f.asked, c.over)
			}
			if f.limit != discovery.MaxCertificate {
				t.Errorf("limit %d", f.limit)
			}
		})
	}
}

func TestCD4_StepsOfURLs(t *testing.T) {
	w := newWorld(t)
	f := &fetcher{now: w.now, pages: map[string][]byte{"http://www.b.example/alice": newAuthority(t).leaf("alice").Raw}}
	w.ipkix(t, "http://www.b.example/alice")
	r := w.resolver(t, func(r *discovery.Resolver) { r.Fetcher = f })
	got := ask(t, r, alice)
	if got.Questions != 2 || len(got.Steps) != 2 {
		t.Fatalf("%d questions, steps %+v", got.Questions, got.Steps)
	}
	s := got.Steps[1]
	if s.Query != "http://www.b.example/alice" || s.Server != "www.b.example" || s.Certificates != 1 || s.Left != time.Hour ||
		s.Source != discovery.DNSAddress || !strings.HasPrefix(s.Then, "taken") {
		t.Errorf("%+v", s)
	}
	w.pass(time.Minute)
	got = ask(t, r, alice)
	if got.Questions != 0 || !got.Cached || !slices.ContainsFunc(got.Steps, func(s discovery.Step) bool { return s.Cached && s.Age == time.Minute }) {
		t.Errorf("warm: %d questions, steps %+v", got.Questions, got.Steps)
	}
}

// Whoever else names a domain's URL does not keep what is there for longer than
// the domain says.
func TestCD12_DocumentsAreKeptForOneName(t *testing.T) {
	ca := newAuthority(t)
	const url = "http://www.b.example/bob"
	w := newWorld(t)
	f := &fetcher{now: w.now, pages: map[string][]byte{url: ca.leaf("old").Raw}}
	record := " IN CERT 4 0 0 " + base64.StdEncoding.EncodeToString([]byte(url))
	w.put(t, "bob.b.example. 60"+record, "x.evil.example. 3600"+record)
	r := w.resolver(t, func(r *discovery.Resolver) { r.Fetcher = f })
	check(t, ask(t, r, "x@evil.example"), reason.OK, place{"old", discovery.DNSAddress})
	f.pages[url] = ca.leaf("new").Raw
	w.pass(50 * time.Minute)
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"new", discovery.DNSAddress})
}
