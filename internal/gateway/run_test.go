package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/smtp"
	"postern/store"
)

// A house is a whole gateway as postern init makes it, with its listeners.
type house struct {
	t       *testing.T
	cfg     *config.Config
	core    *Core
	gateway *Gateway
	tls     *tls.Config
}

const password1 = "correct horse battery"

// build makes a gateway for a domain with one account and one certificate.
func build(t *testing.T, domain mime.Domain, user string, dns string, id, root *testnet.Identity) *house {
	t.Helper()
	cfg := config.Default()
	cfg.Hostname = "mx." + domain
	cfg.Listen = config.Listen{Submissions: "127.0.0.1:0", Backbone: "127.0.0.1:0", IMAPS: "127.0.0.1:0"}
	cfg.TLS = config.TLS{Cert: "tls/cert.pem", Key: "tls/key.pem"}
	cfg.DNS.Servers = []string{dns}
	cfg.Network.AllowPrivate = true
	path := filepath.Join(t.TempDir(), ConfigFile)
	err := Create(t.Context(), path, cfg, domain, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t}
	h.cfg, err = config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := care.Open(t.Context(), h.cfg.Dir, time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h.core, err = NewCore(h.cfg, db, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.furnish(domain, user, id, root)
	h.gateway, err = Listen(h.cfg, h.core)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(h.cfg.TLS.Cert)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	h.tls = &tls.Config{RootCAs: roots, ServerName: string(h.cfg.Hostname)}
	return h
}

func (h *house) furnish(domain mime.Domain, user string, id, root *testnet.Identity) {
	h.t.Helper()
	hash, err := h.core.Hasher.Hash(h.t.Context(), []byte(password1))
	if err != nil {
		h.t.Fatal(err)
	}
	err = h.core.Store.Update(h.t.Context(), func(tx store.Tx) error {
		return errors.Join(
			tx.PutAccount(store.Account{Address: addr(h.t, user), Password: hash}),
			tx.PutAnchor(anchorOf("", store.Both, root)),
			tx.PutKey(store.Key{Fingerprint: store.FingerprintOf(id.Cert.Raw), Owner: string(domain), Certificate: id.Cert.Raw, PKCS8: pkcs8(h.t, id)}),
		)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// run serves until the test's end and fails if that end is not clean.
func (h *house) run() {
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.gateway.Run(ctx) }()
	h.t.Cleanup(func() {
		cancel()
		err := <-ended
		if err != nil {
			h.t.Errorf("Run: %v", err)
		}
	})
}

func (h *house) fetch(user string, n int) []pickup.FetchedMessage {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
	defer cancel()
	got, err := pickup.FetchInbox(ctx, pickup.FetchOptions{
		Addr: h.gateway.Address("imaps").String(), TLS: h.tls, User: user, Password: password1, AtLeast: n,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return got
}

// Two whole gateways: a record is submitted over SMTP, found a certificate for in
// DNS, relayed, fetched over IMAP and answered.
func TestAS42_AS85_RecordCrossesRealSockets(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("root")
	ida, idb := root.Leaf("a.example"), root.Leaf("b.example")
	z, err := named.Records(named.Apex("a.example", "ns.a.example"), named.Apex("b.example", "ns.b.example"),
		named.DomainCERT("a.example", ida.Cert), named.DomainCERT("b.example", idb.Cert))
	if err != nil {
		t.Fatal(err)
	}
	err = z.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	a := build(t, "a.example", "alice@a.example", z.Addr(), ida, root)
	b := build(t, "b.example", "bob@b.example", z.Addr(), idb, root)
	routes := map[mime.Domain]string{
		"a.example": a.gateway.Address("backbone").String(), "b.example": b.gateway.Address("backbone").String(),
	}
	a.core.Sender.(*smtp.Relay).Routes, b.core.Sender.(*smtp.Relay).Routes = routes, routes
	a.run()
	b.run()
	text := crlf(message("alice@a.example", "bob@b.example"))
	err = smtp.SubmitTLS(t.Context(), a.gateway.Address("submissions").String(), a.tls, "alice@a.example", password1,
		addr(t, "alice@a.example"), addrs(t, "bob@b.example"), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	got := b.fetch("bob@b.example", 1)
	equal(t, "bob's INBOX", asSigned(t, string(got[0].Raw)), string(text))
	answers := a.fetch("alice@a.example", 1)
	n := parseMDN(t, string(answers[0].Raw))
	equal(t, "original", n.OriginalMessageID, "<m1@a.example>")
}

// When one listener cannot be had, none stays bound.
func TestListenIsAllOrNothing(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("root")
	h := build(t, "a.example", "alice@a.example", "127.0.0.1:1", root.Leaf("a.example"), root)
	taken := h.gateway.Address("imaps").String()
	h.gateway.Close()
	l, err := net.Listen("tcp", taken)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h.cfg.Listen = config.Listen{Backbone: testnet.DeadPort(t), IMAPS: taken}
	_, err = Listen(h.cfg, h.core)
	if err == nil || !strings.Contains(err.Error(), "imaps") {
		t.Errorf("Listen: %v", err)
	}
	again, err := net.Listen("tcp", h.cfg.Listen.Backbone)
	if err != nil {
		t.Fatalf("the first listener is still bound: %v", err)
	}
	again.Close()
}

// A new site replaces nothing, and a failure leaves nothing.
func TestCreateReplacesNothing(t *testing.T) {
	dir := t.TempDir()
	cfg := config.Default()
	cfg.Hostname, cfg.TLS = "mx.a.example", config.TLS{Cert: "tls/cert.pem", Key: "tls/key.pem"}
	path := filepath.Join(dir, ConfigFile)
	create := func() error { return Create(t.Context(), path, cfg, "a.example", nil, time.Now()) }
	inTheWay := filepath.Join(dir, "data", care.MasterFile)
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o700), os.WriteFile(inTheWay, []byte("mine"), 0o600)); err != nil {
		t.Fatal(err)
	}
	err := create()
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("with a file in the way: %v", err)
	}
	text, err := os.ReadFile(inTheWay)
	if err != nil || string(text) != "mine" {
		t.Errorf("the file is now %q, %v", text, err)
	}
	_, err = os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a site is left: %v", err)
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	if err := create(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{path, inTheWay, filepath.Join(dir, "data", care.StoreFile), filepath.Join(dir, "tls", "key.pem")} {
		info, err := os.Stat(secret)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", secret, info.Mode(), err)
		}
	}
	if err := create(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v", err)
	}
}
