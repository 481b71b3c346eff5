package gateway

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// TB-2, TB-3, TB-6, TB-10: the forms of a bundle, over HTTPS, whatever the server
// calls them.
func TestTB2_TB3_TB6_TB10_FormsOverHTTPS(t *testing.T) {
	w, c := newWebWorld(t)
	ours, second, third := w.pki.Root("ours"), w.pki.Root("second"), w.pki.Root("third")
	signer := w.pki.SelfSigned("signer.example", testnet.EC(elliptic.P256()))
	plain := unsigned(t, ours, second, third)
	signed := signedBy(t, signer, w.clock.Now(), ours, second, third)
	armour := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	for name, tt := range map[string]struct {
		file   []byte
		signer *x509.Certificate
	}{
		"unsigned, DER":        {plain, nil},
		"unsigned, PEM":        {armour("PKCS7", plain), nil},
		"unsigned, base64":     {[]byte(base64.StdEncoding.EncodeToString(plain)), nil},
		"certificates in PEM":  {bytes.Join([][]byte{armour("CERTIFICATE", ours.Cert.Raw), armour("CERTIFICATE", second.Cert.Raw), armour("CERTIFICATE", third.Cert.Raw)}, nil), nil},
		"signed, not pinned":   {signed, nil},
		"signed, pinned":       {signed, signer.Cert},
		"signed, PEM, pinned":  {armour("CMS", signed), signer.Cert},
		"signed base64 pinned": {[]byte(base64.StdEncoding.EncodeToString(signed)), signer.Cert},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			b := s.subscribe(c, "community", "/bundle")
			if tt.signer != nil {
				b.Signer = tt.signer.Raw
				s.putBundle(b)
			}
			c.answer("/bundle", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				_, _ = w.Write(tt.file)
			})
			r := s.refreshed("community")
			if r.Failure != "" || !r.Changed || len(r.Added) != 3 || len(r.Removed) != 0 || r.Anchors != 3 || r.Bad != 0 {
				t.Fatalf("refreshed: %+v", r)
			}
			for _, anchor := range []*testnet.Identity{ours, second, third} {
				s.wantBelief(anchor, reason.OK)
			}
			s.wantBelief(signer, reason.UntrustedAnchor) // TB-4
			state := s.bundleState("community")
			if state.Anchors != 3 || state.SHA256 != store.FingerprintOf(tt.file) || !state.Succeeded.Equal(s.Now()) || !state.Changed.Equal(s.Now()) {
				t.Errorf("state %+v", state)
			}
		})
	}
}

// A certificate that cannot be read is counted, and hides no other. Of the first
// few it is kept which they are, and why.
func TestBadCertificatesAreCounted(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	block := func(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
	c.put("/bundle", append(block([]byte("no certificate")), block(ours.Cert.Raw)...))
	r := s.refreshed("community")
	state := s.bundleState("community")
	if r.Failure != "" || r.Anchors != 1 || r.Bad != 1 || state.Bad != 1 {
		t.Errorf("refreshed: %+v", r)
	}
	if len(state.BadCertificates) != 1 || state.BadCertificates[0].Place != 1 || !strings.Contains(state.BadCertificates[0].Cause, "malformed") {
		t.Errorf("bad certificates %+v", state.BadCertificates)
	}
	s.wantBelief(ours, reason.OK)
	c.put("/bundle", append(bytes.Repeat(block([]byte("no certificate")), 3*maxBadCertificates), block(ours.Cert.Raw)...))
	r = s.refreshed("community")
	equal(t, "bad", r.Bad, 3*maxBadCertificates)
	equal(t, "told", len(s.bundleState("community").BadCertificates), maxBadCertificates)
}

// hurried leaves a fetch little time.
type hurried struct{ bundle.Fetcher }

func (h hurried) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	r.Time = 50 * time.Millisecond
	return h.Fetcher.Do(ctx, r)
}

// TB-14 to TB-17, TB-5: whatever goes wrong, the last good set counts on, and what
// went wrong since when is recorded.
func TestTB14_TB15_TB16_FailuresKeepTheLastGoodSet(t *testing.T) {
	w, c := newWebWorld(t)
	now := w.clock.Now()
	ours, other := w.pki.Root("ours"), w.pki.Root("other")
	ec := testnet.EC(elliptic.P256())
	signer, forger := w.pki.SelfSigned("signer.example", ec), w.pki.SelfSigned("signer.example", ec)
	late := w.pki.SelfSigned("late.example", ec, testnet.Valid(-2*time.Hour, -time.Hour))
	good := signedBy(t, signer, now, ours)
	serve := func(file []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) }
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(unsigned(t, other)) // TB-16
		}
	}
	damaged := bytes.Clone(good)
	damaged[len(damaged)-5] ^= 1
	for name, tt := range map[string]struct {
		kind   string
		page   http.HandlerFunc
		signer *testnet.Identity // pinned; nil is none
		change func(s *site)
	}{
		"404":     {bundle.KindNotFound, status(http.StatusNotFound), nil, nil},
		"410":     {bundle.KindNotFound, status(http.StatusGone), nil, nil},
		"503":     {bundle.KindStatus, status(http.StatusServiceUnavailable), nil, nil},
		"206":     {bundle.KindStatus, status(http.StatusPartialContent), nil, nil},
		"slow":    {bundle.KindTimeout, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil, func(s *site) { s.bundles.fetcher = hurried{c.client} }},
		"cut off": {bundle.KindUnreachable, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, nil},
		"no address": {bundle.KindUnreachable, nil, nil, func(s *site) {
			s.bundles.fetcher = &fetch.Client{Lookup: func(context.Context, string) ([]netip.Addr, error) { return nil, nil }}
		}},
		"private address": {bundle.KindForbidden, serve(good), nil, func(s *site) { s.bundles.fetcher = &fetch.Client{Lookup: c.client.Lookup} }},
		"unknown authority": {bundle.KindTLS, serve(good), nil, func(s *site) {
			s.bundles.fetcher = &fetch.Client{Lookup: c.client.Lookup, Network: guard.Policy{AllowPrivate: true}}
		}},
		"too large": {bundle.KindTooLarge, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "99999999") }, nil, nil},
		"redirect to http": {bundle.KindRedirect, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://bundles.example/", http.StatusFound)
		}, nil, nil},
		"redirect in a ring":  {bundle.KindRedirect, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, nil, nil},
		"web page":            {bundle.KindInvalidFormat, serve([]byte("<html>gone fishing</html>")), nil, nil},
		"cut short":           {bundle.KindInvalidFormat, serve(good[:len(good)/2]), nil, nil},
		"empty file":          {bundle.KindEmpty, serve(nil), nil, nil},
		"no certificates":     {bundle.KindEmpty, serve(emptyCollection(t)), nil, nil},
		"unsigned":            {bundle.KindUnsigned, serve(unsigned(t, other)), signer, nil},
		"another's signature": {bundle.KindWrongSigner, serve(signedBy(t, forger, now, other)), signer, nil},
		"bad signature":       {bundle.KindBadSignature, serve(damaged), signer, nil},
		"bad, not pinned":     {bundle.KindBadSignature, serve(damaged), nil, nil},
		"expired signer":      {bundle.KindSignerExpired, serve(signedBy(t, late, now.Add(-90*time.Minute), other)), late, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			b := s.subscribe(c, "community", "/bundle")
			c.answer("/bundle", serve(good))
			if r := s.refreshed("community"); r.Failure != "" {
				t.Fatalf("the first refresh: %+v", r)
			}
			before := s.bundleState("community")
			began := w.clock.Now()
			if tt.signer != nil {
				b.Signer = tt.signer.Cert.Raw
				s.putBundle(b)
			}
			c.answer("/bundle", tt.page)
			if tt.change != nil {
				tt.change(s)
			}
			for range 2 {
				w.clock.advance(time.Minute)
				r := s.refreshed("community")
				if r.Failure != tt.kind || r.Detail == "" || r.Changed || len(r.Added)+len(r.Removed) > 0 || r.Anchors != 1 {
					t.Errorf("refreshed: %+v, want %s", r, tt.kind)
				}
			}
			s.wantBelief(ours, reason.OK)
			s.wantBelief(other, reason.UntrustedAnchor)
			state := s.bundleState("community")
			if state.Failure != tt.kind || state.Failures != 2 || !state.FailedSince.Equal(began.Add(time.Minute)) || state.Detail == "" ||
				!state.Attempted.Equal(began.Add(2*time.Minute)) || !state.Succeeded.Equal(before.Succeeded) || state.Anchors != 1 {
				t.Errorf("state %+v", state)
			}
			if !strings.Contains(s.log.String(), "level=WARN") || !strings.Contains(s.log.String(), "kind="+tt.kind) {
				t.Errorf("the log says %s", s.log.String())
			}
			s.recovers(c, b, serve(good))
		})
	}
}

// recovers expects an end of failures when the page is good again.
func (s *site) recovers(c *community, b store.Bundle, good http.HandlerFunc) {
	s.t.Helper()
	c.answer("/bundle", good)
	s.bundles.fetcher = c.client
	b.Signer = nil
	s.putBundle(b)
	r := s.refreshed(b.Name)
	state := s.bundleState(b.Name)
	if r.Failure != "" || r.Changed || state.Failure != "" || state.Detail != "" || state.Failures != 0 || !state.FailedSince.IsZero() {
		s.t.Errorf("when it is good again: %+v, %+v", r, state)
	}
	if !strings.Contains(s.log.String(), "a bundle is fresh again") {
		s.t.Errorf("the log says %s", s.log.String())
	}
}

// emptyCollection is a certs-only PKCS #7 without certificates.
func emptyCollection(t *testing.T) []byte {
	t.Helper()
	der, err := hex.DecodeString("302506092a864886f70d010702a0183016020101310030" + "0b06092a864886f70d010701a0003100")
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TB-12: a server that says so, and a file that is the same, are a success. By hand
// the whole file is asked for.
func TestTB12_Unchanged(t *testing.T) {
	w, c := newWebWorld(t)
	ours := w.pki.Root("ours")
	file := unsigned(t, ours)
	tagged := func() { c.put("/bundle", file) }
	for name, tt := range map[string]struct {
		page    func()
		refresh func(*site, string) RefreshResult
		known   int
	}{
		"304":       {tagged, (*site).scheduled, 1},
		"by hand":   {tagged, (*site).refreshed, 0},
		"same file": {func() { c.answer("/bundle", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) }) }, (*site).scheduled, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			s.subscribe(c, "community", "/bundle")
			tt.page()
			before, knownBefore := c.count("/bundle")
			s.refreshed("community")
			began, dir := s.bundleState("community"), s.directory()
			w.clock.advance(time.Hour)
			r := tt.refresh(s, "community")
			if r.Failure != "" || r.Changed || r.Anchors != 1 {
				t.Errorf("refreshed: %+v", r)
			}
			state := s.bundleState("community")
			if !state.Succeeded.Equal(s.Now()) || !state.Changed.Equal(began.Changed) || state.SHA256 != began.SHA256 || state.ETag != began.ETag {
				t.Errorf("state %+v after %+v", state, began)
			}
			if s.directory() != dir {
				t.Error("nothing changed, and the directory was read again")
			}
			asked, known := c.count("/bundle")
			if asked-before != 2 || known-knownBefore != tt.known {
				t.Errorf("asked %d times, %d for news", asked-before, known-knownBefore)
			}
		})
	}
}

// The same anchors in another order, or written in another form, are no change.
func TestTheOrderOfABundleIsNoChange(t *testing.T) {
	w, c := newWebWorld(t)
	s, one, two := w.bare("b.example"), w.pki.Root("one"), w.pki.Root("two")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, one, two))
	s.refreshed("community")
	signer := w.pki.SelfSigned("signer.example", testnet.EC(elliptic.P256()))
	c.put("/bundle", signedBy(t, signer, s.Now(), two, one))
	r := s.refreshed("community")
	if r.Failure != "" || r.Changed || r.Anchors != 2 {
		t.Errorf("refreshed: %+v", r)
	}
}

// What is known of one URL is not told to another, and what was taken without a
// signature is checked anew once there is a signer: nothing unchanged passes for
// good.
func TestAnotherDefinitionIsFetchedAnew(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	b := s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	c.put("/moved", unsigned(t, ours))
	s.refreshed("community")
	b.URL = c.url + "/moved"
	s.putBundle(b)
	r := s.refreshed("community")
	if _, known := c.count("/moved"); known != 0 || r.Failure != "" {
		t.Errorf("refreshed: %+v; told of the other URL's version %d times", r, known)
	}
	b.Signer = w.pki.SelfSigned("signer.example", testnet.EC(elliptic.P256())).Cert.Raw
	s.putBundle(b)
	for range 2 {
		if r := s.refreshed("community"); r.Failure != bundle.KindUnsigned {
			t.Errorf("with a signer: %+v", r)
		}
	}
	b.Signer = []byte("no certificate")
	s.putBundle(b)
	if r := s.refreshed("community"); r.Failure != bundle.KindWrongSigner {
		t.Errorf("with a signer that cannot be read: %+v", r)
	}
}

// TB-13: who has the server, or sits on the way, cannot bring back an anchor with
// an old file of the pinned signer.
func TestTB13_AnOldBundleIsNoReplacement(t *testing.T) {
	w, c := newWebWorld(t)
	s := w.bare("b.example")
	signer := w.pki.SelfSigned("signer.example", testnet.EC(elliptic.P256()))
	gone, stays := w.pki.Root("gone"), w.pki.Root("stays")
	b := s.subscribe(c, "community", "/bundle")
	b.Signer = signer.Cert.Raw
	s.putBundle(b)
	before := signedBy(t, signer, s.Now().Add(-2*time.Hour), gone, stays)
	after := signedBy(t, signer, s.Now().Add(-time.Hour), stays)
	for _, step := range []struct {
		file    []byte
		failure string
		gone    reason.Code
	}{
		{before, "", reason.OK}, {after, "", reason.UntrustedAnchor},
		{before, bundle.KindOutdated, reason.UntrustedAnchor}, {after, "", reason.UntrustedAnchor},
		{before, bundle.KindOutdated, reason.UntrustedAnchor},
	} {
		c.put("/bundle", step.file)
		if r := s.refreshed("community"); r.Failure != step.failure {
			t.Errorf("%+v, want %q", r, step.failure)
		}
		s.wantBelief(gone, step.gone)
		s.wantBelief(stays, reason.OK)
	}
	// Only an operator who adds the bundle anew can go back.
	s.update(func(tx store.Tx) error { return tx.RemoveBundle("community") })
	s.putBundle(b)
	if r := s.refreshed("community"); r.Failure != "" {
		t.Errorf("added anew: %+v", r)
	}
	s.wantBelief(gone, reason.OK)
}

// TB-13, TB-20: an anchor that went is not believed by the very next message.
func TestTB13_TB20_RemovedAnchorsEndAtOnce(t *testing.T) {
	w, c := newWebWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	theirs := w.pki.Root("theirs")
	b.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, theirs, w.pki.Root("another")))
	b.refreshed("community")
	alice := peer{t: t, at: w.clock, id: theirs.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.run()
	equal(t, "with the anchor", b.states(id), []string{"bob@b.example delivered"})

	c.put("/bundle", unsigned(t, w.pki.Root("instead")))
	r := b.refreshed("community")
	if r.Failure != "" || len(r.Added) != 1 || len(r.Removed) != 2 || r.Anchors != 1 {
		t.Errorf("refreshed: %+v", r)
	}
	raw = alice.seal(strings.Replace(message("alice@a.example", "bob@b.example"), "m1@", "m2@", 1), b, "bob@b.example")
	id = b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.run()
	equal(t, "without it", b.states(id), []string{"bob@b.example refused untrusted-anchor"})
}

// TB-18: bundles and single anchors add up, for each domain and direction; what one
// source no longer gives, another still does.
func TestTB1_TB18_BundlesAndAnchorsAddUp(t *testing.T) {
	w, c := newWebWorld(t)
	s := w.bare("b.example", "c.example")
	one, two, three := w.pki.Root("one"), w.pki.Root("two"), w.pki.Root("three")
	s.trust("b.example", store.Out, two)
	s.subscribe(c, "patients", "/patients", store.Attachment{Domain: "b.example", Direction: store.Out})
	s.subscribe(c, "providers", "/providers",
		store.Attachment{Domain: "b.example", Direction: store.In}, store.Attachment{Domain: "", Direction: store.Out})
	c.put("/patients", unsigned(t, one, two))
	c.put("/providers", unsigned(t, two, three))
	all, err := s.RefreshBundles(t.Context(), nil)
	if err != nil || len(all) != 2 || all[0].Name != "patients" || all[1].Name != "providers" {
		t.Fatalf("refreshed: %+v, %v", all, err)
	}
	believed := func(id *testnet.Identity) (ways []string) {
		for _, d := range []mime.Domain{"b.example", "c.example"} {
			for _, way := range []store.Direction{store.In, store.Out} {
				if s.believes(id, d, way).IsOK() {
					ways = append(ways, string(d)+" "+string(way))
				}
			}
		}
		return ways
	}
	equal(t, "one", believed(one), []string{"b.example out"})
	equal(t, "two", believed(two), []string{"b.example in", "b.example out", "c.example out"})
	equal(t, "three", believed(three), []string{"b.example in", "b.example out", "c.example out"})
	from := func(id *testnet.Identity) []AnchorSource {
		return s.directory().AnchorSources(store.FingerprintOf(id.Cert.Raw))
	}
	equal(t, "sources of two", from(two), []AnchorSource{
		{"manual", "b.example", store.Out}, {"patients", "b.example", store.Out},
		{"providers", "b.example", store.In}, {"providers", "", store.Out},
	})

	s.update(func(tx store.Tx) error { return tx.RemoveBundle("providers") })
	equal(t, "two without a bundle", believed(two), []string{"b.example out"})
	equal(t, "three without a bundle", believed(three), nil)
	c.put("/patients", unsigned(t, one))
	s.refreshed("patients")
	equal(t, "two of the operator alone", believed(two), []string{"b.example out"})
	s.update(func(tx store.Tx) error {
		return tx.RemoveAnchor(store.ManualSource, "b.example", store.FingerprintOf(two.Cert.Raw))
	})
	equal(t, "two of nobody", believed(two), nil)
	equal(t, "its sources", from(two), nil)
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("b.example") })
	equal(t, "one without the domain", believed(one), nil)
}

// TB-8: what a bundle's metadata asks for binds what leads to its anchors alone.
func TestTB8_MetadataOverHTTPS(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	file, err := bundle.WriteUnsigned(testnet.Certs(ours),
		[]byte("<AnchorMetadata><RequiredOids><Oid>1.3.6.1.4.1.99999.1</Oid></RequiredOids></AnchorMetadata>"))
	if err != nil {
		t.Fatal(err)
	}
	c.put("/bundle", file)
	s.refreshed("community")
	s.wantBelief(ours, reason.PolicyMissing)
	c.put("/bundle", unsigned(t, ours)) // the same anchor, which asks for nothing now
	r := s.refreshed("community")
	if r.Failure != "" || !r.Changed || len(r.Added)+len(r.Removed) > 0 {
		t.Errorf("refreshed: %+v", r)
	}
	s.wantBelief(ours, reason.OK)
}

// No bundle makes anybody believe extended validation.
func TestBundlesGiveNoRootsOfExtendedValidation(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	s.refreshed("community")
	equal(t, "roots", s.directory().EV("b.example").Len(), 0)
}

// A name that is not there is an error before anything is fetched.
func TestRefreshOfAnUnknownBundle(t *testing.T) {
	w, c := newWebWorld(t)
	s := w.bare("b.example")
	s.subscribe(c, "community", "/bundle")
	_, err := s.RefreshBundles(t.Context(), []string{"community", "none"})
	if asked, _ := c.count("/bundle"); !errors.Is(err, store.ErrNotFound) || asked != 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}
