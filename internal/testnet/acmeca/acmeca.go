// Package acmeca is an authority over ACME for tests: Pebble, which the authors of
// Let's Encrypt test clients with, in this process on loopback. It validates in earnest
// and refuses some good nonces.
package acmeca

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"go.uber.org/goleak"
)

// Options say what an authority is like.
type Options struct {
	DNS               string // HOST:PORT of the name server that it asks, over TCP
	HTTPPort, TLSPort int    // where it connects to, instead of to 80 and 443
	// Binding asks for an external account binding with this key, in base64url, under
	// the key id "kid-1"; "" does not.
	Binding string
	// Life is how long a certificate is good, in seconds; 0 is 90 days.
	Life uint64
}

// An Authority is a Pebble that listens.
type Authority struct {
	URL    string            // of its directory
	CAFile string            // PEM: by whom its HTTPS is certified
	Client *http.Client      // that believes it
	Root   *x509.Certificate // of what it issues
	server *httptest.Server
}

// Leak is what a test of goroutines is to look over: Pebble's queue never ends.
func Leak() goleak.Option {
	return goleak.IgnoreTopFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks")
}

// Start runs an authority until the test is over.
func Start(t testing.TB, o Options) *Authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_AUTHZREUSE", "0") // every order is validated
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	if o.Binding != "" {
		err := store.AddExternalAccountKeyByID("kid-1", o.Binding)
		if err != nil {
			t.Fatal(err)
		}
	}
	profiles := map[string]ca.Profile{"default": {ValidityPeriod: o.Life}}
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, profiles)
	validator := va.New(quiet, o.HTTPPort, o.TLSPort, true, o.DNS, store)
	front := wfe.New(quiet, store, validator, issuer, []string{"ca.example"}, true, o.Binding != "", 1, 1)
	a := &Authority{server: httptest.NewUnstartedServer(front.Handler())}
	a.server.Config.ErrorLog = quiet
	a.server.StartTLS()
	t.Cleanup(a.Stop)
	a.URL = a.server.URL + wfe.DirectoryPath
	a.Client = a.server.Client()
	a.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	err := os.WriteFile(a.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(issuer.GetRootCert(0).PEM())
	a.Root, err = x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Stop ends the authority: nobody answers at its URL any more.
func (a *Authority) Stop() { a.server.Close() }
