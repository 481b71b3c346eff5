package tlscert_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/internal/testnet/acmeca"
	"postern/internal/tlscert"
)

// A town is a name server, an authority and a host with listeners that it can ask.
type town struct {
	t      *testing.T
	clock  *testnet.Clock
	ca     *acmeca.Authority
	cache  *memory
	log    log
	issuer *tlscert.Issuer
	keeper *tlscert.Keeper
	at     net.Addr // of the listener
	o      acmeca.Options
}

const binding = "c2VjcmV0LWtleS1vZi10aGUtYmluZGluZy0wMTIzNDU2Nzg5YWJjZGVm"

func newTown(t *testing.T, challenge string, o acmeca.Options) *town {
	t.Helper()
	w := &town{t: t, clock: testnet.NewClock(time.Now()), cache: &memory{}}
	home := netip.MustParseAddr("127.0.0.1")
	dns, err := named.Records(named.Apex("b.example", "ns.b.example"), named.A("mail.b.example", home), named.A("imap.b.example", home))
	if err != nil {
		t.Fatal(err)
	}
	err = dns.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dns.Close() })
	w.node(challenge)
	w.at = listen(t, w.keeper.Config())
	web := httptest.NewServer(w.issuer)
	t.Cleanup(web.Close)
	o.DNS, o.TLSPort, o.HTTPPort = dns.Addr(), portOf(w.at), portOf(web.Listener.Addr())
	w.o = o
	w.ca = acmeca.Start(t, o)
	w.issuer.Directory, w.issuer.Client = w.ca.URL, w.ca.Client
	return w
}

func portOf(a net.Addr) int { return a.(*net.TCPAddr).Port }

// node makes the issuer and the keeper anew, over the same cache, as a restart does.
func (w *town) node(challenge string) {
	before := w.issuer
	w.issuer = &tlscert.Issuer{
		Hosts: []string{"mail.b.example", "imap.b.example"}, Contact: []string{"postmaster@b.example"}, Terms: true,
		Challenge: challenge, Cache: w.cache, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	if before != nil {
		w.issuer.Directory, w.issuer.Client = before.Directory, before.Client
	}
	w.keeper = &tlscert.Keeper{Issued: w.issuer, Now: w.clock.Now}
}

func (w *town) renew() time.Time {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	next, err := w.issuer.Renew(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// leaf is what the listener shows, verified against the authority's root.
func (w *town) leaf(host string) *x509.Certificate {
	w.t.Helper()
	state, err := shown(w.t, w.at, func(c *tls.Config) { c.ServerName = host })
	if err != nil {
		w.t.Fatal(err)
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(w.ca.Root)
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err = state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, DNSName: host})
	if err != nil && host != "" {
		w.t.Error(err)
	}
	return state.PeerCertificates[0]
}

// RFC 8555, RFC 8737: a certificate for all names comes from an authority by either
// challenge, is shown to clients that name a host and to those that do not, and outlives
// the process.
func TestACertificateIsIssued(t *testing.T) {
	for _, challenge := range []string{tlscert.HTTP, tlscert.TLSALPN} {
		t.Run(challenge, func(t *testing.T) {
			w := newTown(t, challenge, acmeca.Options{})
			_, err := shown(t, w.at)
			if err == nil {
				t.Error("a certificate is shown before there is one")
			}
			next := w.renew()
			leaf := w.leaf("mail.b.example")
			equal(t, "the other name", w.leaf("imap.b.example").Equal(leaf), true)
			equal(t, "no name", w.leaf("").Equal(leaf), true)
			equal(t, "a third of 90 days before its end", next.Sub(leaf.NotAfter).Round(time.Hour), -30*24*time.Hour)
			names := w.cache.names()
			equal(t, "kept", len(names), 2) // challenges are gone
			equal(t, "account", strings.HasPrefix(names[0], "account/"), true)
			equal(t, "certificate", names[1], "certificate")
			equal(t, "notes", len(w.cache.notes), 2)
			if !strings.Contains(w.cache.notes[1], "issued over ACME for mail.b.example, imap.b.example, until ") {
				t.Error(w.cache.notes[1])
			}

			w.node(challenge)
			again := w.renew()
			equal(t, "after a restart", again, next)
			equal(t, "the same certificate", w.issuer.Certificate().Leaf.Equal(leaf), true)
			equal(t, "orders after the restart", w.keeper.Status().Orders, 0)
		})
	}
}

// The certificate is renewed when a third of its life is left, under the clock that was
// given; then clients see the new one.
func TestACertificateIsRenewedBeforeItEnds(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	next := w.renew()
	first := w.leaf("mail.b.example")
	w.clock.Advance(next.Sub(w.clock.Now()) - time.Second)
	equal(t, "a second before its time", w.renew(), next)
	equal(t, "still the first", w.leaf("mail.b.example").Equal(first), true)
	w.clock.Advance(time.Second)
	w.renew()
	second := w.leaf("mail.b.example")
	equal(t, "a new one", second.Equal(first), false)
	equal(t, "orders", w.keeper.Status().Orders, 2)
	equal(t, "one account", len(w.cache.names()), 2)
}

// RFC 8555 §7.3.2: another contact is told to the authority with the next order, which
// needs no contact that the authority takes.
func TestAnotherContactIsTold(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	for _, row := range []struct {
		contact, want string
		warned        bool
	}{
		{"postmaster@b.example", "postmaster@b.example", false},
		{"tls@b.example", "tls@b.example", false},
		{"x@", "tls@b.example", true},
	} {
		w.node(tlscert.HTTP)
		w.issuer.Contact = []string{row.contact}
		w.clock.Advance(w.renew().Sub(w.clock.Now()))
		w.renew()
		equal(t, "contact", w.account().Contact, []string{"mailto:" + row.want})
		equal(t, "told of "+row.contact, strings.Contains(w.log.take(), "does not take the contact"), row.warned)
	}
}

// account is ours as the authority has it.
func (w *town) account() *acme.Account {
	w.t.Helper()
	var kept struct{ Key []byte }
	err := json.Unmarshal(w.cache.all[w.cache.names()[0]], &kept)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(kept.Key)
	if err != nil {
		w.t.Fatal(err)
	}
	client := &acme.Client{Key: key.(crypto.Signer), DirectoryURL: w.ca.URL, HTTPClient: w.ca.Client}
	a, err := client.GetReg(w.t.Context(), "")
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// A name that is added to the configuration is not waited for until the renewal.
func TestACertificateIsOrderedForANewName(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	w.issuer.Hosts = []string{"mail.b.example"}
	w.renew()
	w.issuer.Hosts = []string{"mail.b.example", "imap.b.example"}
	w.renew()
	equal(t, "names", w.leaf("imap.b.example").DNSNames, []string{"mail.b.example", "imap.b.example"})
}

// Without the authority the last certificate serves on, even beyond its end; the
// authority is asked again after waits that grow and outlive a restart; and when it is
// back there is a new one.
func TestTheLastCertificateServesOn(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	next := w.renew()
	first := w.leaf("mail.b.example")
	w.ca.Stop()
	w.clock.Advance(next.Sub(w.clock.Now()))
	var waits []time.Duration
	for range 10 {
		again, err := w.issuer.Renew(t.Context())
		if err == nil {
			t.Fatal("an authority that is not there issued something")
		}
		wait := again.Sub(w.clock.Now())
		waits = append(waits, wait)
		w.node(tlscert.HTTP)
		equal(t, "too early", w.renew(), again)
		w.clock.Advance(wait)
	}
	m, h := time.Minute, time.Hour
	equal(t, "waits", waits, []time.Duration{5 * m, 10 * m, 20 * m, 40 * m, 80 * m, 160 * m, 320 * m, 640 * m, 12 * h, 12 * h})
	equal(t, "serves on", w.leaf("").Equal(first), true)
	equal(t, "late", w.keeper.Status().Late.Sub(first.NotAfter).Round(time.Hour), -15*24*time.Hour)
	if w.keeper.Status().FailingSince.IsZero() {
		t.Error("nothing tells since when orders fail")
	}
	w.clock.Advance(60 * 24 * h)
	w.node(tlscert.HTTP)
	err := w.issuer.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	over, err := w.keeper.Certificate()
	if err != nil || !over.Leaf.Equal(first) {
		t.Errorf("after its end: %v", err)
	}
}

// An authority may be one that knows its accounts already (RFC 8555 §7.3.4).
func TestAnAccountIsBound(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{Binding: binding})
	_, err := w.issuer.Renew(t.Context())
	if err == nil || !strings.Contains(err.Error(), "externalAccount") {
		t.Errorf("without a binding: %v", err)
	}
	w.clock.Advance(time.Hour)
	file := filepath.Join(t.TempDir(), "eab.key")
	err = os.WriteFile(file, []byte(binding+"\n"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w.issuer.Binding, err = tlscert.ReadBinding("kid-1", file)
	if err != nil {
		t.Fatal(err)
	}
	w.renew()
	w.leaf("mail.b.example")
}

func TestReadBinding(t *testing.T) {
	file := filepath.Join(t.TempDir(), "eab.key")
	for text, good := range map[string]bool{binding: true, binding + "==\n": true, "": false, "\n": false, "a b": false, "+/": false} {
		err := os.WriteFile(file, []byte(text), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		b, err := tlscert.ReadBinding("k", file)
		equal(t, text, err == nil, good)
		if err != nil && text != "\n" && text != "" && strings.Contains(err.Error(), text) {
			t.Error("the error shows the key")
		}
		if good {
			equal(t, "key", base64.RawURLEncoding.EncodeToString(b.Key), binding)
		}
	}
	_, err := tlscert.ReadBinding("k", file+".not")
	equal(t, "no file", err == nil, false)
}

// What an authority refused under another configuration, or while the clock was wrong,
// holds up no order; and while there is no certificate the waits are short.
func TestTroubleThatIsOver(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	w.issuer.Terms = false
	for range 12 {
		next, err := w.issuer.Renew(t.Context())
		if wait := next.Sub(w.clock.Now()); err == nil || wait > time.Hour {
			t.Fatalf("again in %v, %v", wait, err)
		}
		w.clock.Advance(next.Sub(w.clock.Now()))
	}
	_, err := w.issuer.Renew(t.Context())
	equal(t, "still refused", err == nil, false)
	w.node(tlscert.HTTP) // the operator agrees, and starts anew
	w.renew()
	equal(t, "issued", w.issuer.Certificate() != nil, true)

	for _, ahead := range []time.Duration{5 * 365 * 24 * time.Hour, 6 * 24 * time.Hour} {
		w := newTown(t, tlscert.HTTP, acmeca.Options{})
		right := w.issuer.Client
		w.issuer.Client = tlscert.NewClient(nil, nil) // which does not believe the authority
		w.clock.Advance(ahead)
		_, err = w.issuer.Renew(t.Context())
		equal(t, "while the clock is wrong", err == nil, false)
		w.clock.Advance(-ahead)
		w.issuer.Client = right
		w.renew()
		equal(t, "issued when it is right", w.issuer.Certificate() != nil, true)
	}
}

// A key of a binding, or an address, that is mended is tried at the next start.
func TestTroubleThatWasMended(t *testing.T) {
	key := func(text string) *tlscert.Binding {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return &tlscert.Binding{KeyID: "kid-1", Key: b}
	}
	for name, row := range map[string]struct {
		o           acmeca.Options
		wrong, mend func(*tlscert.Issuer)
	}{
		"the key of a binding": {acmeca.Options{Binding: binding},
			func(i *tlscert.Issuer) { i.Binding = key(binding[:len(binding)-4] + "AAAA") }, func(i *tlscert.Issuer) { i.Binding = key(binding) }},
		"a contact": {acmeca.Options{}, func(i *tlscert.Issuer) { i.Contact = []string{"x@"} }, func(*tlscert.Issuer) {}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t, tlscert.HTTP, row.o)
			row.wrong(w.issuer)
			_, err := w.issuer.Renew(t.Context())
			equal(t, "refused", err == nil, false)
			w.node(tlscert.HTTP)
			row.wrong(w.issuer)
			w.renew()
			equal(t, "asked at once after a restart alone", w.issuer.Certificate() != nil, false)
			w.node(tlscert.HTTP)
			row.mend(w.issuer)
			w.renew()
			equal(t, "issued", w.issuer.Certificate() != nil, true)
		})
	}
}

// A long wait that began while the certificate was good does not go on behind its end.
func TestTheWaitIsShortBehindTheEnd(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	again := w.renew()
	end := w.issuer.Certificate().Leaf.NotAfter
	w.ca.Stop()
	for again.Before(end) {
		w.clock.Advance(again.Sub(w.clock.Now()))
		again, _ = w.issuer.Renew(t.Context())
	}
	w.clock.Advance(end.Sub(w.clock.Now()) + time.Second)
	again, _ = w.issuer.Renew(t.Context())
	if wait := again.Sub(w.clock.Now()); wait > time.Hour {
		t.Errorf("a second behind the end: again in %v", wait)
	}
}

// A clock that is ahead of the authority's, so that what is issued is old by it, has no
// order follow another at once.
func TestNoOrderFollowsAtOnce(t *testing.T) {
	const life = 24 * time.Hour
	for _, ahead := range []time.Duration{13 * time.Hour, life - time.Minute} {
		w := newTown(t, tlscert.HTTP, acmeca.Options{Life: uint64(life / time.Second)})
		w.clock.Advance(ahead)
		next := w.renew()
		if want := max((life-ahead)/2, 5*time.Minute); next.Sub(w.clock.Now()).Round(time.Minute) != want {
			t.Errorf("%v ahead: the next order is in %v", ahead, next.Sub(w.clock.Now()))
		}
		w.node(tlscert.HTTP)
		w.clock.Advance(time.Second)
		equal(t, "after a restart", w.renew(), next)
		equal(t, "orders", w.keeper.Status().Orders, 0)
		w.clock.Advance(-ahead) // it is set right, and the certificate has all of its life
		equal(t, "by the right clock", w.renew().Sub(w.clock.Now()).Round(time.Hour), life/2)
	}
}

// What an authority issued that an operator tried before is no better than good files.
func TestFilesGoBeforeAnotherAuthority(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	f := newFolder(t)
	now := w.clock.Now()
	own := newPair(t, "own.example", now, now.Add(time.Hour))
	f.put(f.cert, own.cert)
	f.put(f.key, own.key)
	files, err := tlscert.Open(f.cert, f.key, w.clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.renew()
	w.keeper.Files = files
	equal(t, "issued", nameShown(t, w.at), "mail.b.example")
	w.issuer.Directory += "/production"
	equal(t, "another directory", nameShown(t, w.at), "own.example")
	w.clock.Advance(2 * time.Hour)
	equal(t, "the files are over", nameShown(t, w.at), "mail.b.example")
	w.keeper.Files = nil
	equal(t, "no files", nameShown(t, w.at), "mail.b.example")
}

// What nobody can prove is not issued: a name that leads elsewhere, and terms that were
// not agreed to.
func TestNothingIsIssuedWithoutProof(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	w.issuer.Terms = false
	_, err := w.issuer.Renew(t.Context())
	if err == nil {
		t.Error("the terms count for nothing")
	}
	w.clock.Advance(time.Hour)
	w.issuer.Terms, w.issuer.Hosts = true, []string{"mail.b.example", "other.b.example"}
	_, err = w.issuer.Renew(t.Context())
	if err == nil || !strings.Contains(err.Error(), "other.b.example") {
		t.Errorf("a name that is not there: %v", err)
	}
	equal(t, "left in the cache", len(w.cache.names()), 2) // account and trouble
}

// A cache that fails is told of, and costs no order.
func TestACacheThatFails(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	w.renew()
	first := w.issuer.Certificate()
	w.cache.fails = true
	_, err := w.issuer.Renew(t.Context())
	equal(t, "told", err == nil, false)
	equal(t, "serves on", w.issuer.Certificate() == first, true)
}

// Files are shown until something is issued, and when that is over.
func TestFilesStandInForWhatIsIssued(t *testing.T) {
	w := newTown(t, tlscert.TLSALPN, acmeca.Options{})
	f := newFolder(t)
	now := w.clock.Now()
	own := newPair(t, "own.example", now, now.Add(time.Hour))
	f.put(f.cert, own.cert)
	f.put(f.key, own.key)
	files, err := tlscert.Open(f.cert, f.key, w.clock.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w.keeper.Files = files
	equal(t, "before", nameShown(t, w.at), "own.example")
	w.renew()
	equal(t, "issued", nameShown(t, w.at), "mail.b.example")
	w.clock.Advance(100 * 24 * time.Hour)
	equal(t, "over", nameShown(t, w.at), "own.example")
}

// Nobody gets more out of the challenge's listeners than an authority that asks.
func TestStrangersAtTheChallenge(t *testing.T) {
	w := newTown(t, tlscert.HTTP, acmeca.Options{})
	w.cache.Put(t.Context(), "challenge/http-01/good_token", []byte("answer"), "")
	w.cache.Put(t.Context(), "certificate", []byte("secret"), "")
	for path, want := range map[string]int{
		"/.well-known/acme-challenge/good_token":                  200,
		"/.well-known/acme-challenge/other":                       404,
		"/.well-known/acme-challenge/":                            404,
		"/.well-known/acme-challenge/../../certificate":           404,
		"/.well-known/acme-challenge/%2e%2e%2fcertificate":        404,
		"/.well-known/acme-challenge/good_token/x":                404,
		"/.well-known/acme-challenge/" + strings.Repeat("a", 300): 404,
		"/":                                      404,
		"/certificate":                           404,
		"/.well-known/acme-challenge":            404,
		"/.well-known/ACME-challenge/good_token": 404,
	} {
		r := httptest.NewRecorder()
		w.issuer.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		equal(t, path, r.Code, want)
	}
	w.issuer.Challenge = tlscert.TLSALPN
	r := httptest.NewRecorder()
	w.issuer.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/good_token", nil))
	equal(t, "the other challenge", r.Code, 404)

	at := listen(t, w.keeper.Config())
	for _, host := range []string{"mail.b.example", "other.example", "", "MAIL.b.example"} {
		_, err := shown(t, at, func(c *tls.Config) { c.ServerName, c.NextProtos = host, []string{"acme-tls/1"} })
		equal(t, "acme-tls/1 for "+host, err == nil, false)
	}
}

// Run renews in the background and ends when it is told to.
func TestRun(t *testing.T) {
	w := newTown(t, tlscert.TLSALPN, acmeca.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.issuer.Run(ctx) })
	testnet.Until(t, func() bool { return w.issuer.Certificate() != nil })
	cancel()
	running.Wait()
}
