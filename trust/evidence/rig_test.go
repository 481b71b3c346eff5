package evidence

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/ocsp"

	"postern/internal/fetch"
	"postern/internal/testnet"
	"postern/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A ca is an authority with its leaves and its word on them.
type ca struct {
	*testnet.Identity
	t   testing.TB
	now time.Time
	pki *testnet.PKI
}

func newCA(t testing.TB, now time.Time) *ca {
	pki := testnet.NewPKI(t, now)
	return &ca{Identity: pki.Root("authority"), t: t, now: now, pki: pki}
}

// names says which URLs a certificate names.
type names struct{ aia, crl, ocsp []string }

func (n names) option() testnet.Option {
	return testnet.Template(func(c *x509.Certificate) {
		c.IssuingCertificateURL, c.CRLDistributionPoints, c.OCSPServer = n.aia, n.crl, n.ocsp
	})
}

func (c *ca) leaf(n names) *x509.Certificate {
	return c.Leaf("alice@a.example", n.option(), testnet.RSA(2048), testnet.Key(testnet.RSAKey(c.t, 2048, 1))).Cert
}

// crl is the authority's list, in DER.
func (c *ca) crl(from, to time.Time, revoked ...*x509.Certificate) []byte {
	c.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: from, NextUpdate: to}
	for _, r := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: r.SerialNumber, RevocationTime: from.Add(-time.Hour), ReasonCode: 1})
	}
	der, err := x509.CreateRevocationList(nil, list, c.Cert, c.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

// ocsp is the authority's answer about a certificate, in DER.
func (c *ca) ocsp(of *x509.Certificate, status int, from, to time.Time) []byte {
	c.t.Helper()
	der, err := ocsp.CreateResponse(c.Cert, c.Cert, ocsp.Response{
		Status: status, SerialNumber: of.SerialNumber, ThisUpdate: from, NextUpdate: to, RevokedAt: from.Add(-time.Hour),
	}, c.Key)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

// A web is servers that answer by URL, without sockets. It may be used within
// and without a bubble of synctest.
type web struct {
	mu    sync.Mutex
	pages map[string]page
	asked []fetch.Request
	most  int // fetches at the same time
	now   int
}

// A page is an answer after a while. One without a body is an error.
type page struct {
	body  []byte
	after time.Duration
	err   error
	fresh time.Duration
}

var (
	hangs   = page{after: time.Hour}
	refused = page{err: fetch.ErrUnanswered}
	absent  = page{err: &fetch.StatusError{Code: 404}}
)

func newWeb() *web { return &web{pages: make(map[string]page)} }

func (w *web) put(url string, p page) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages[url] = p
}

func (w *web) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.asked)
}

// Do implements Fetcher.
func (w *web) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	w.mu.Lock()
	w.asked = append(w.asked, r)
	w.now++
	w.most = max(w.most, w.now)
	p, ok := w.pages[r.URL]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now--
	}()
	if !ok {
		p = absent
	}
	if p.after > 0 {
		timer := time.NewTimer(p.after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fetch.Document{}, errors.Join(fetch.ErrUnanswered, ctx.Err())
		}
	}
	if p.err != nil || p.body == nil {
		return fetch.Document{}, errors.Join(p.err, errNothing)
	}
	d := fetch.Document{Body: bytes.Clone(p.body), Fetched: time.Now()}
	if p.fresh > 0 {
		d.Expires = d.Fetched.Add(p.fresh)
	}
	return d, nil
}

var errNothing = errors.New("nothing came")

// settled asks until nothing is pending any more, and returns how long that took.
func settled(t testing.TB, k *Keeper, of, issuer *x509.Certificate, at time.Time) (trust.Revocation, time.Duration) {
	t.Helper()
	began := time.Now()
	for range 10 {
		r := k.Revocation(of, issuer, at)
		if r.Pending == nil {
			return r, time.Since(began)
		}
		<-r.Pending
	}
	t.Fatal("it is pending forever")
	return trust.Revocation{}, 0
}

func settledIssuers(t testing.TB, k *Keeper, of *x509.Certificate) (trust.Issuers, time.Duration) {
	t.Helper()
	began := time.Now()
	for range 10 {
		all := k.Issuers(of)
		if all.Pending == nil {
			return all, time.Since(began)
		}
		<-all.Pending
	}
	t.Fatal("it is pending forever")
	return trust.Issuers{}, 0
}

// A shelf is a Cache in memory.
type shelf struct {
	mu    sync.Mutex
	kept  map[string]Stored
	loads int
}

func newShelf() *shelf { return &shelf{kept: make(map[string]Stored)} }

func (s *shelf) Load(_ context.Context, key string) (Stored, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	d, ok := s.kept[key]
	return d, ok, nil
}

func (s *shelf) Save(_ context.Context, d Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[d.Key] = d
	return nil
}

func (s *shelf) Touch(_ context.Context, key string, used time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.kept[key]; ok {
		d.Used = used
		s.kept[key] = d
	}
	return nil
}

func (s *shelf) Each(_ context.Context, fn func(Stored) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.kept {
		d.Size, d.Body = int64(len(d.Body)), nil
		if !fn(d) {
			break
		}
	}
	return nil
}

func (s *shelf) Remove(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, key)
	return nil
}
