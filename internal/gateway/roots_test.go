package gateway

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/fetch"
	"postern/internal/testnet"
)

func TestHTTPSRoots(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	ca := pki.Root("web")
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pool, err := httpsRoots(file("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw}))))
	if err != nil {
		t.Fatal(err)
	}
	system, err := httpsRoots("")
	if err != nil || system != nil {
		t.Errorf("without a file: %v, %v", system, err)
	}
	for _, id := range []*testnet.Identity{ca.Leaf("bundles.example"), pki.Root("another").Leaf("bundles.example")} {
		_, err = id.Cert.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		if (err == nil) != (id.Issuer == ca) {
			t.Errorf("%s: %v", id.Issuer.Cert.Subject, err)
		}
	}
	for name, path := range map[string]string{
		"no file": filepath.Join(dir, "none"), "no PEM": file("text", "hello"), "huge": file("huge", strings.Repeat("x", maxRoots+1)),
	} {
		pool, err := httpsRoots(path)
		if !errors.Is(err, ErrRoots) || pool == nil || !pool.Equal(x509.NewCertPool()) {
			t.Errorf("%s: was taken: %v", name, err)
		}
		f := fetcher{&fetch.Client{Roots: pool}, err}
		_, err = f.Do(t.Context(), fetch.Request{URL: "https://127.0.0.1:1/"})
		if !errors.Is(err, ErrRoots) {
			t.Errorf("%s: fetching: %v", name, err)
		}
		_, err = f.Do(t.Context(), fetch.Request{URL: "http://127.0.0.1:1/"})
		if err == nil || errors.Is(err, ErrRoots) {
			t.Errorf("%s: fetching without TLS: %v", name, err)
		}
	}
}
