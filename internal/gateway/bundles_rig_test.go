package gateway

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/cms"
	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// A community hands out bundles over HTTPS, by a certificate of an authority
// that network.ca names.
type community struct {
	t      *testing.T
	pki    *testnet.PKI
	server *httptest.Server
	client *fetch.Client
	url    string // without a path

	mu    sync.Mutex
	pages map[string]http.HandlerFunc
	asked map[string]int // by path
	known map[string]int // how often it was asked whether anything changed
}

// newWebWorld is a world of today: crypto/tls asks no other clock.
func newWebWorld(t *testing.T) (*world, *community) {
	t.Helper()
	w := worldAt(t, time.Now().UTC().Truncate(time.Second))
	return w, newCommunity(t, w.pki)
}

func newCommunity(t *testing.T, pki *testnet.PKI) *community {
	t.Helper()
	c := &community{t: t, pki: pki, pages: make(map[string]http.HandlerFunc), asked: make(map[string]int), known: make(map[string]int)}
	ca := pki.Root("web")
	id := ca.Leaf("bundles.example", testnet.ForTLS(), testnet.EC(elliptic.P256()))
	c.server = httptest.NewUnstartedServer(c)
	c.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{id.Cert.Raw}, PrivateKey: id.Key}}}
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.server.StartTLS()
	t.Cleanup(c.server.Close)
	port := netip.MustParseAddrPort(c.server.Listener.Addr().String()).Port()
	c.url = "https://" + netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()
	c.url = strings.Replace(c.url, "0.0.0.0", "bundles.example", 1)
	c.client = &fetch.Client{
		Network: guard.Policy{AllowPrivate: true}, Roots: rootsOf(t, ca),
		Lookup: func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		},
	}
	return c
}

func rootsOf(t *testing.T, ca *testnet.Identity) *x509.CertPool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Cert.Raw}), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := httpsRoots(path)
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// ServeHTTP implements http.Handler.
func (c *community) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	page := c.pages[r.URL.Path]
	c.asked[r.URL.Path]++
	if r.Header.Get("If-None-Match") != "" {
		c.known[r.URL.Path]++
	}
	c.mu.Unlock()
	if page == nil {
		http.NotFound(w, r)
		return
	}
	page(w, r)
}

func (c *community) answer(path string, page http.HandlerFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[path] = page
}

// put hands out a file, with its validators.
func (c *community) put(path string, file []byte) {
	c.answer(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+store.FingerprintOf(file).String()+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file))
	})
}

// count returns how often a path was asked for, and how often for news alone.
func (c *community) count(path string) (asked, known int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked[path], c.known[path]
}

// unsigned is a bundle of anchors without a signature.
func unsigned(t testing.TB, anchors ...*testnet.Identity) []byte {
	t.Helper()
	file, err := bundle.Write(testnet.Certs(anchors...))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func signedBy(t testing.TB, signer *testnet.Identity, at time.Time, anchors ...*testnet.Identity) []byte {
	t.Helper()
	file, err := bundle.WriteSigned(testnet.Certs(anchors...), nil, cms.Signer{Certificate: signer.Cert, Key: signer.Key}, at)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// subscribe has the site believe the bundle at a path of the community.
func (s *site) subscribe(c *community, name, path string, attached ...store.Attachment) store.Bundle {
	s.t.Helper()
	s.bundles.fetcher = c.client
	if attached == nil {
		attached = []store.Attachment{{Domain: "", Direction: store.Both}}
	}
	b := store.Bundle{Name: name, URL: c.url + path, Attached: attached, Every: 24 * time.Hour, Created: s.Now()}
	s.putBundle(b)
	return b
}

func (s *site) putBundle(b store.Bundle) {
	s.t.Helper()
	s.update(func(tx store.Tx) error { return tx.PutBundle(b) })
}

// refreshed refreshes one bundle.
func (s *site) refreshed(name string) RefreshResult {
	s.t.Helper()
	all, err := s.RefreshBundles(s.t.Context(), []string{name})
	if err != nil {
		s.t.Fatal(err)
	}
	if len(all) != 1 || all[0].Name != name {
		s.t.Fatalf("results %+v", all)
	}
	return all[0]
}

// scheduled refreshes a bundle as the schedule does.
func (s *site) scheduled(name string) RefreshResult {
	s.t.Helper()
	var b store.Bundle
	s.view(func(tx store.Tx) (err error) {
		b, err = tx.Bundle(name)
		return err
	})
	f := s.bundles.start(b, false)
	<-f.done
	if f.err != nil {
		s.t.Fatal(f.err)
	}
	return f.result
}

func (s *site) bundleState(name string) (state store.BundleState) {
	s.t.Helper()
	s.view(func(tx store.Tx) (err error) {
		state, err = tx.BundleState(name)
		return err
	})
	return state
}

// believes says what a domain of the site thinks at this moment of a certificate
// of mail@far.example, which the anchor issues on the spot.
func (s *site) believes(anchor *testnet.Identity, domain mime.Domain, way store.Direction) reason.Code {
	s.t.Helper()
	p := trust.Params{
		Certificate: anchor.Leaf("far.example", testnet.EC(elliptic.P256())).Cert, Purpose: trust.Sign,
		Address: addr(s.t, "mail@far.example"), Anchors: s.directory().Anchors(domain, way), At: s.Now(),
	}
	return trust.Judge(p).Code
}

func (s *site) wantBelief(anchor *testnet.Identity, want reason.Code) {
	s.t.Helper()
	for _, way := range []store.Direction{store.In, store.Out} {
		for d := range s.directory().domains {
			if got := s.believes(anchor, d, way); got != want {
				s.t.Errorf("%s for %s, %s: %s, want %s", anchor.Cert.Subject.CommonName, d, way, got, want)
			}
		}
	}
}
