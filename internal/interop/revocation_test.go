package interop

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

const (
	// evidenceWait is trust.wait in these tests: so long that a busy machine is
	// told from a gateway that waits a second time.
	evidenceWait = 6 * time.Second
	decidedTime  = 2 * time.Minute
)

// A publisher is an authority with its web server, where OpenSSL answers.
type publisher struct {
	root     *testnet.Identity
	web      *testnet.Web
	register *testnet.Register
}

func newPublisher(t *testing.T, pki *testnet.PKI) *publisher {
	t.Helper()
	p := &publisher{root: pki.Root("interop root"), web: testnet.NewWeb(t)}
	p.register = testnet.NewRegister(t, p.root)
	p.web.Answer("/ocsp", testnet.TypeOCSP, p.register.OCSP)
	return p
}

// sender makes a far agent whose certificate names a CRL of its own, or the
// responder.
func (p *publisher) sender(crl string, own *testnet.Identity) sealer {
	at := testnet.PublishedAt("", p.web.URL+"/ocsp", "")
	if crl != "" {
		at = testnet.PublishedAt(p.web.URL+crl, "", "")
	}
	far := p.root.Leaf("a.example", at)
	p.register.Issued(far.Cert)
	return sealer{far, testnet.Certs(own)}
}

func (p *publisher) publish(paths ...string) {
	list := p.register.CRL()
	for _, path := range paths {
		p.web.Put(path, testnet.TypeCRL, list)
	}
}

// revokingSite makes the gateway that is sent to.
func revokingSite(t *testing.T, p *publisher, own *testnet.Identity, policy string) *site {
	t.Helper()
	s := newSite(t, "b.example", setup{
		users: []string{"bob@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{p.root},
	})
	file, err := os.ReadFile(s.config())
	if err != nil {
		t.Fatal(err)
	}
	s.write("postern.toml", fmt.Sprintf("%s[trust]\nrevocation = %q\nwait = %q\n", file, policy, evidenceWait))
	return s
}

// received hands a message in and returns what became of it, and when.
func (s *site) received(t *testing.T, from sealer, id string) (control.Life, time.Duration) {
	t.Helper()
	message := from.seal(t, record("alice@a.example", "bob@b.example", id, 1000), "bob@b.example")
	began := time.Now()
	s.deliver(t, message)
	life := s.waitTrack(id, decidedTime, func(l control.Life) bool {
		r := l.Recipients[0]
		return r.State == store.TrackDelivered || r.State == store.TrackRefused || r.Reason != ""
	})
	return life, time.Since(began)
}

func checkLife(t *testing.T, name string, l control.Life, state store.TrackState, reason string) {
	t.Helper()
	r := l.Recipients[0]
	if r.State != state || reason != "" && r.Reason != reason {
		t.Errorf("%s: %s because of %q, want %s because of %q", name, r.State, r.Reason, state, reason)
	}
}

// TestInteropRevocation sends messages of agents whom OpenSSL's CRLs and OCSP
// answers call good and revoked (AS-71, AS-74), and of agents whose servers do
// not do what they should (AS-73).
func TestInteropRevocation(t *testing.T) {
	t.Parallel() // now and then it waits
	pki := testnet.NewPKI(t, time.Now())
	p := newPublisher(t, pki)
	own := p.root.Leaf("b.example")
	s := revokingSite(t, p, own, "soft")
	good, bad := p.sender("/good.crl", own), p.sender("/bad.crl", own)
	asked, disowned := p.sender("", own), p.sender("", own)
	missing, huge := p.sender("/missing.crl", own), p.sender("/huge.crl", own)
	foreign := p.sender("/foreign.crl", own)
	p.register.Revoke(bad.from.Cert, time.Now().Add(-time.Hour), "superseded")
	p.register.Revoke(disowned.from.Cert, time.Now().Add(-time.Hour), "keyCompromise")
	p.publish("/good.crl", "/bad.crl", "/missing.crl", "/huge.crl")
	p.web.Set("/missing.crl", testnet.Missing)
	p.web.Set("/huge.crl", testnet.Huge)
	p.web.Put("/foreign.crl", testnet.TypeCRL, testnet.NewRegister(t, pki.Root("stranger")).CRL())
	s.serve()
	for name, c := range map[string]struct {
		from   sealer
		state  store.TrackState
		reason string
	}{
		"good by CRL":     {good, store.TrackDelivered, ""},
		"revoked by CRL":  {bad, store.TrackRefused, "revoked"},
		"good by OCSP":    {asked, store.TrackDelivered, ""},
		"revoked by OCSP": {disowned, store.TrackRefused, "revoked"},
		"no CRL there":    {missing, store.TrackDelivered, ""},
		"endless CRL":     {huge, store.TrackDelivered, ""},
		"another's CRL":   {foreign, store.TrackDelivered, ""},
	} {
		life, _ := s.received(t, c.from, "<"+strings.ReplaceAll(name, " ", "-")+"@a.example>")
		checkLife(t, name, life, c.state, c.reason)
	}
	s.alive()
	s.checkPast(t, bad, disowned)
	s.stop()
	s.checkStore()
}

// checkPast judges messages by hand as of a moment before the revocation: one
// certificate was good then, and of a stolen key nobody knows.
func (s *site) checkPast(t *testing.T, superseded, stolen sealer) {
	t.Helper()
	before := time.Now().Add(-2 * time.Hour).UTC().Format(time.RFC3339)
	message := record("alice@a.example", "bob@b.example", "<past@a.example>", 1000)
	for _, c := range []struct {
		from sealer
		at   []string
		code int
	}{
		{superseded, nil, 1},
		{superseded, []string{"--at", before}, 0},
		{stolen, []string{"--at", before}, 1},
	} {
		e := s.run(c.from.seal(t, message, "bob@b.example"), append([]string{"open", "--to", "bob@b.example"}, c.at...)...)
		if e.code != c.code || c.code == 1 && !strings.Contains(e.stderr, "revoked") || c.code == 0 && e.stdout != message {
			t.Errorf("open %v: exit code %d, want %d\n%s", c.at, e.code, c.code, e.stderr)
		}
	}
}

// TestInteropDeadRevocationServerCostsItsBudgetOnce (CP-11): a server that takes
// connections and says nothing delays one message by trust.wait, and the next
// not at all; neither does a port that is closed.
func TestInteropDeadRevocationServerCostsItsBudgetOnce(t *testing.T) {
	t.Parallel()
	pki := testnet.NewPKI(t, time.Now())
	p := newPublisher(t, pki)
	own := p.root.Leaf("b.example")
	s := revokingSite(t, p, own, "soft")
	hanging := p.sender("/hanging.crl", own)
	p.publish("/hanging.crl")
	p.web.Set("/hanging.crl", testnet.Hanging)
	dead := sealer{p.root.Leaf("a.example", testnet.PublishedAt("http://"+testnet.DeadPort(t)+"/ca.crl", "", "")), testnet.Certs(own)}
	s.serve()
	for i, c := range []struct {
		from  sealer
		waits bool
	}{{hanging, true}, {hanging, false}, {hanging, false}, {dead, false}, {dead, false}} {
		life, took := s.received(t, c.from, fmt.Sprintf("<dead%d@a.example>", i))
		checkLife(t, fmt.Sprintf("message %d", i), life, store.TrackDelivered, "")
		t.Logf("message %d took %v", i, took)
		if (took >= evidenceWait) != c.waits {
			t.Errorf("message %d took %v; trust.wait is %v", i, took, evidenceWait)
		}
	}
	s.alive()
}

// TestInteropHardRevocation has the gateway believe nobody of whom it does not
// know that they are not revoked (AS-73).
func TestInteropHardRevocation(t *testing.T) {
	t.Parallel()
	pki := testnet.NewPKI(t, time.Now())
	p := newPublisher(t, pki)
	own := p.root.Leaf("b.example")
	s := revokingSite(t, p, own, "hard")
	good, missing := p.sender("/good.crl", own), p.sender("/missing.crl", own)
	silent := sealer{p.root.Leaf("a.example"), testnet.Certs(own)}
	p.publish("/good.crl", "/missing.crl")
	p.web.Set("/missing.crl", testnet.Missing)
	s.serve()
	life, _ := s.received(t, good, "<good@a.example>")
	checkLife(t, "good", life, store.TrackDelivered, "")
	life, _ = s.received(t, silent, "<silent@a.example>")
	checkLife(t, "no source", life, store.TrackRefused, "no-revocation-source")
	life, _ = s.received(t, missing, "<missing@a.example>")
	checkLife(t, "no CRL there", life, store.TrackQueued, "revocation-unavailable")
	s.alive()
}
