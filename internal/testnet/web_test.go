package testnet_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/revocation"
)

// TestRegister has OpenSSL answer over HTTP what the register says.
func TestRegister(t *testing.T) {
	now := time.Now()
	pki := testnet.NewPKI(t, now)
	root, web := pki.Root("root"), testnet.NewWeb(t)
	register := testnet.NewRegister(t, root)
	option := testnet.PublishedAt(web.URL+"/ca.crl", web.URL+"/ocsp", web.URL+"/ca.cer")
	good, bad, stranger := root.Leaf("good.example", option).Cert, root.Leaf("bad.example", option).Cert, root.Leaf("new.example", option).Cert
	register.Issued(good)
	register.Revoke(bad, now.Add(-time.Hour), "keyCompromise")
	web.Put("/ca.crl", testnet.TypeCRL, register.CRL())
	web.Put("/ca.cer", testnet.TypeCert, root.Cert.Raw)
	web.Answer("/ocsp", testnet.TypeOCSP, register.OCSP)

	crls, responders, _ := revocation.Sources(good)
	list, err := revocation.ParseCRL(get(t, crls[0]))
	if err != nil {
		t.Fatal(err)
	}
	at := now.Add(time.Second)
	for _, c := range []struct {
		name string
		a    func() (revocation.Answer, error)
		want trust.RevocationStatus
	}{
		{"good by CRL", func() (revocation.Answer, error) { return list.Check(good, root.Cert, at) }, trust.NotRevoked},
		{"bad by CRL", func() (revocation.Answer, error) { return list.Check(bad, root.Cert, at) }, trust.IsRevoked},
	} {
		a, err := c.a()
		if err != nil || a.Status != c.want {
			t.Errorf("%s: %+v, %v", c.name, a, err)
		}
	}
	request, err := revocation.NewOCSPRequest(bad, root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range [][]byte{
		get(t, responders[0]+"/"+url.QueryEscape(base64.StdEncoding.EncodeToString(request))),
		post(t, responders[0], request),
	} {
		a, err := revocation.CheckOCSP(answer, bad, root.Cert, at)
		if err != nil || a.Status != trust.IsRevoked || a.Reason != "keyCompromise" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	request, err = revocation.NewOCSPRequest(stranger, root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	_, err = revocation.CheckOCSP(post(t, responders[0], request), stranger, root.Cert, at)
	if err == nil {
		t.Error("OCSP knows what was never entered")
	}
	if !bytes.Equal(get(t, web.URL+"/ca.cer"), root.Cert.Raw) || web.Asked("/ocsp") != 3 {
		t.Error("the authority's certificate, or the count of questions")
	}
}

func TestWebModes(t *testing.T) {
	web := testnet.NewWeb(t)
	web.Put("/x", "text/plain", []byte("document"))
	ask := func(within time.Duration) (int, int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, 0, err
		}
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
		return answer.StatusCode, int(n), err
	}
	for _, c := range []struct {
		mode      testnet.Mode
		code, len int
	}{{testnet.Good, 200, 8}, {testnet.Missing, 404, 19}, {testnet.Slow, 200, 8}, {testnet.Huge, 200, 1 << 20}} {
		web.Set("/x", c.mode)
		code, n, err := ask(time.Minute)
		if code != c.code || n != c.len || err != nil {
			t.Errorf("mode %d: %d, %d octets, %v", c.mode, code, n, err)
		}
	}
	web.Set("/x", testnet.Hanging)
	_, _, err := ask(50 * time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hanging server: %v", err)
	}
	web.Die()
	_, _, err = ask(time.Minute)
	if err == nil {
		t.Error("a dead server answers")
	}
	http.DefaultClient.CloseIdleConnections()
}

func get(t *testing.T, u string) []byte {
	t.Helper()
	answer, err := http.Get(u)
	return read(t, answer, err)
}

func post(t *testing.T, u string, body []byte) []byte {
	t.Helper()
	answer, err := http.Post(u, "application/ocsp-request", bytes.NewReader(body))
	return read(t, answer, err)
}

func read(t *testing.T, answer *http.Response, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return body
}

// TestTLSWeb fetches a page from a host that has a name, as HTTPS wants it.
func TestTLSWeb(t *testing.T) {
	root := testnet.NewPKI(t, time.Now()).Root("web root")
	web := testnet.NewTLSWeb(t, root.Leaf("bundles.example", testnet.ForTLS()))
	web.Put("/a.p7b", "application/pkcs7-mime", []byte("bundle"))
	at, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.Cert)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", at.Port()))
		},
	}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(web.URL + "/a.p7b")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != "bundle" || at.Hostname() != "bundles.example" {
		t.Errorf("%s has %q, %v", web.URL, body, err)
	}
}
