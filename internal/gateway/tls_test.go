package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/metrics"
	"postern/internal/tlscert"
	"postern/smtp"
	"postern/store"
)

// The end of a certificate from files is told ahead, as that of the others is, and is
// in the metrics.
func TestTheEndOfTheListenersCertificateIsTold(t *testing.T) {
	w := newWorld(t)
	s := w.bare("b.example")
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c, k, err := SelfSigned("mx.b.example", nil, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(os.WriteFile(cert, c, 0o600), os.WriteFile(key, k, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	cfg := config.Default()
	cfg.TLS = config.TLS{Cert: cert, Key: key}
	g := &Gateway{Core: s.Core}
	g.tls, err = s.newKeeper(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		left time.Duration
		want string
	}{{31 * day, ""}, {29 * day, "level=WARN"}, {6 * day, "level=ERROR"}, {-day, "has expired"}} {
		log.Reset()
		status := g.tls.Status()
		told := g.reportTLS(t.Context(), status, status.Leaf.NotAfter.Add(-step.left))
		equal(t, step.left.String(), told, step.want != "")
		if !strings.Contains(log.String(), step.want) || step.want == "" && log.Len() > 0 {
			t.Errorf("%s left: %s", step.left, log.String())
		}
	}
	// One that is renewed by itself is told of when that is late, whatever its life.
	status := g.tls.Status()
	status.Issued, status.Late = true, w.clock.Now()
	equal(t, "in time", g.reportTLS(t.Context(), status, w.clock.Now().Add(-time.Second)), false)
	log.Reset()
	equal(t, "late", g.reportTLS(t.Context(), status, w.clock.Now()), true)
	if !strings.Contains(log.String(), "is not renewed") {
		t.Error(log.String())
	}

	r := metrics.New()
	err = g.addTLS(r)
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		"postern_tls_certificate_end_timestamp_seconds 1.", `postern_tls_reloads_total{outcome="failed"} 0`, `postern_acme_orders_total{outcome="good"} 0`,
	} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, answer.Body.String())
		}
	}
}

// What belongs to certificates lies sealed in the store, and what was issued is in the
// audit trail.
func TestCertificatesOverACMELieInTheStore(t *testing.T) {
	w := newWorld(t)
	s := w.bare("b.example")
	cache := certCache{s.Store, s.Log}
	got, err := cache.Get(t.Context(), "certificate")
	if got != nil || err != nil {
		t.Errorf("before: %q, %v", got, err)
	}
	for _, note := range []string{"", "issued over ACME for mx.b.example"} {
		err = cache.Put(t.Context(), "certificate", []byte(canary), note)
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err = cache.Get(t.Context(), "certificate")
	if string(got) != canary || err != nil {
		t.Errorf("after: %q, %v", got, err)
	}
	if last := latest(s.trail()); !strings.Contains(last, "listener certificate") {
		t.Errorf("the trail ends with %s", last)
	}
	for range 2 {
		err = cache.Remove(t.Context(), "certificate")
		if err != nil {
			t.Errorf("removing: %v", err)
		}
	}
	err = s.Store.View(t.Context(), func(tx store.Tx) error { _, err := tx.CertCache("certificate"); return err })
	equal(t, "gone", errors.Is(err, store.ErrNotFound), true)
}

// A rottenCache is a store in which nothing of the listeners' certificates can be read.
type rottenCache struct{ store.Store }

func (s rottenCache) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(rottenCacheTx{tx}) })
}

type rottenCacheTx struct{ store.Tx }

func (rottenCacheTx) CertCache(name string) (store.CertCache, error) {
	return store.CertCache{}, fmt.Errorf("%w: %s", store.ErrCorrupt, name)
}

// A damaged certificate from an authority keeps nothing from starting: another is
// ordered.
func TestADamagedListenerCertificateIsMadeAnew(t *testing.T) {
	s := newWorld(t).bare("a.example")
	cfg := config.Default()
	cfg.Hostname, cfg.ACME.Directory = "mx.a.example", "https://acme.example/directory"
	s.Store = rottenCache{s.Store}
	i, err := s.newIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "certificate", i.Certificate() == nil, true)
}

// Serving and checking refuse files that nothing can be done with.
func TestCheckFilesReadsTheBinding(t *testing.T) {
	cfg := config.Default()
	cfg.ACME.BindingKeyID, cfg.ACME.BindingKeyFile = "k", filepath.Join(t.TempDir(), "eab.key")
	equal(t, "no file", errors.Is(CheckFiles(cfg), tlscert.ErrBinding), true)
	err := os.WriteFile(cfg.ACME.BindingKeyFile, []byte("a2V5"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "a key", CheckFiles(cfg), nil)
}

// RFC 5321 §4.4: what a stranger calls itself cannot say more than that.
func TestReceivedOfStrangers(t *testing.T) {
	c := &Core{Hostname: "mx.b.example"}
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for helo, want := range map[string]string{
		"mx.a.example": "mx.a.example", "[192.0.2.1]": "[192.0.2.1]", "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
		"": "unknown", "a (b) by c": "unknown", "a;b": "unknown", "a\r\nX: y": "unknown", "münchen": "unknown", "<x>": "unknown",
	} {
		e := smtp.Envelope{Helo: helo, Remote: netip.MustParseAddrPort("[::ffff:192.0.2.7]:25"), TLS: true}
		equal(t, helo, c.received(e, "T", at), "from "+want+" ([192.0.2.7]) by mx.b.example (Postern) with ESMTPS id T; Mon, 01 Jun 2026 12:00:00 +0000")
	}
	e := smtp.Envelope{Helo: "h", Remote: netip.MustParseAddrPort("[2001:db8::1%eth0]:25")}
	equal(t, "IPv6", c.received(e, "T", at), "from h ([IPv6:2001:db8::1]) by mx.b.example (Postern) with ESMTP id T; Mon, 01 Jun 2026 12:00:00 +0000")
}
