package evidence

import (
	"bytes"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crypto/x509"

	"golang.org/x/crypto/ocsp"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/trust"
)

// site is an authority's web server on loopback.
func site(t testing.TB, pages map[string]http.HandlerFunc) string {
	t.Helper()
	mux := http.NewServeMux()
	for path, h := range pages {
		mux.HandleFunc(path, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func octets(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }
}

func overHTTP(t testing.TB) *Keeper {
	k := &Keeper{Fetcher: &fetch.Client{Network: guard.Policy{AllowPrivate: true}}}
	t.Cleanup(k.Close)
	return k
}

// The three kinds of documents from a server as authorities run them.
func TestAS69_AS71_AS74_OverHTTP(t *testing.T) {
	now := time.Now()
	auth := newCA(t, now)
	var leaf *x509.Certificate
	url := site(t, map[string]http.HandlerFunc{
		"/ca.p7c":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(certsOnly(t, auth.Cert)) },
		"/good.crl": octets(auth.crl(now.Add(-time.Hour), now.Add(aDay))),
		"POST /ocsp": func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			request, err := ocsp.ParseRequest(body)
			if err != nil || request.SerialNumber.Cmp(leaf.SerialNumber) != 0 {
				http.Error(w, "malformed", http.StatusBadRequest)
				return
			}
			_, _ = w.Write(auth.ocsp(leaf, ocsp.Revoked, now.Add(-time.Hour), now.Add(aDay)))
		},
	})
	k := overHTTP(t)
	leaf = auth.leaf(names{aia: []string{url + "/ca.p7c"}, crl: []string{url + "/good.crl"}})
	all, _ := settledIssuers(t, k, leaf)
	if len(all.Certificates) != 1 || !all.Certificates[0].Equal(auth.Cert) {
		t.Errorf("%+v", all)
	}
	if r, _ := settled(t, k, leaf, auth.Cert, now); r.Status != trust.NotRevoked || r.Method != "crl" {
		t.Errorf("%+v", r)
	}
	leaf = auth.leaf(names{ocsp: []string{url + "/ocsp"}})
	if r, _ := settled(t, k, leaf, auth.Cert, now); r.Status != trust.IsRevoked || r.Method != "ocsp" {
		t.Errorf("%+v", r)
	}
}

// AS-70: what servers of strangers do instead of answering.
func TestAS70_ServersOfStrangers(t *testing.T) {
	auth := newCA(t, time.Now())
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	url := site(t, map[string]http.HandlerFunc{
		"/metadata": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
		},
		"/huge": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = w.Write(make([]byte, 4<<10))
			}
		},
		"/another": octets(newCA(t, time.Now()).Cert.Raw),
	})
	for path, c := range map[string]struct {
		certs int
		down  bool
		says  string
	}{
		url + "/metadata":                     {0, false, "public internet"},
		url + "/huge":                         {0, false, "too large"},
		url + "/none":                         {0, false, "404"},
		url + "/another":                      {0, true, "no certificate of the issuer"},
		"http://" + closed.Addr().String():    {0, true, "does not answer"},
		"http://169.254.169.254/computeMeta/": {0, false, "public internet"},
	} {
		got, _ := settledIssuers(t, overHTTP(t), auth.leaf(names{aia: []string{path}}))
		if len(got.Certificates) != c.certs || got.Down != c.down || !strings.Contains(got.Detail, c.says) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	strict := &Keeper{}
	t.Cleanup(strict.Close)
	if got, _ := settledIssuers(t, strict, auth.leaf(names{aia: []string{url + "/another"}})); len(got.Certificates) != 0 || got.Down {
		t.Errorf("loopback: %+v", got)
	}
}

// CP-11: a list of a hundred thousand revocations, slowly.
func TestCP11_LargeListFromASlowServer(t *testing.T) {
	now := time.Now()
	auth := newCA(t, now)
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(aDay)}
	for i := range 100_000 {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(int64(1_000_000 + i)), RevocationTime: now.Add(-time.Hour)})
	}
	der, err := x509.CreateRevocationList(nil, list, auth.Cert, auth.Key)
	if err != nil {
		t.Fatal(err)
	}
	slow := make(chan struct{})
	url := site(t, map[string]http.HandlerFunc{"/big.crl": func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(der[:1000])
		w.(http.Flusher).Flush()
		<-slow
		_, _ = io.Copy(w, bytes.NewReader(der[1000:]))
	}})
	k := overHTTP(t)
	k.Budget = 50 * time.Millisecond
	leaf := auth.leaf(names{crl: []string{url + "/big.crl"}})
	r, _ := settled(t, k, leaf, auth.Cert, now)
	if r.Status != trust.RevocationUnknown || !strings.Contains(r.Detail, "no answer within 50ms") {
		t.Errorf("%+v", r)
	}
	close(slow)
	k.flights.Wait()
	r = k.Revocation(leaf, auth.Cert, now)
	if r.Status != trust.NotRevoked || r.Pending != nil {
		t.Errorf("%+v", r)
	}
}
