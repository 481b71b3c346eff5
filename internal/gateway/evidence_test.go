package gateway

import (
	"crypto/elliptic"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
)

// told is evidence that answers what a test says.
type told struct {
	revocation func(of *x509.Certificate) trust.Revocation
}

func (e *told) Issuers(*x509.Certificate) trust.Issuers { return trust.Issuers{} }

func (e *told) Revocation(of, _ *x509.Certificate, _ time.Time) trust.Revocation {
	return e.revocation(of)
}

// says is evidence that gives one answer about everybody.
func says(s trust.RevocationStatus) *told {
	return &told{func(*x509.Certificate) trust.Revocation { return trust.Revocation{Status: s} }}
}

// arrived is the channel of an answer that has come.
func arrived() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// inbound is a site with one account and a peer that it trusts.
func inbound(t *testing.T) (*world, *site, peer) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	return w, b, peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
}

func (s *site) from(p peer) store.TrackID {
	s.t.Helper()
	raw := p.seal(message("alice@a.example", "bob@b.example"), s, "bob@b.example")
	return s.receive(raw, addr(s.t, "alice@a.example"), addrs(s.t, "bob@b.example")...)
}

// The track and the log of a message that was believed tell what was known of its
// signer, for whoever asks later.
func TestAS71_TrackTellsOfRevocation(t *testing.T) {
	w, b, alice := inbound(t)
	made := w.clock.Now().Add(-3 * time.Hour)
	for name, tt := range map[string]struct {
		known trust.Revocation
		track string
		log   string
	}{
		"good":    {trust.Revocation{Status: trust.NotRevoked, Method: "crl", ThisUpdate: made}, "; revocation of the signer: good by crl, 3h0m0s old", "revocation=good"},
		"down":    {trust.Revocation{Status: trust.RevocationUnknown}, "; revocation of the signer: unavailable", "revocation=unavailable"},
		"nowhere": {trust.Revocation{Status: trust.RevocationUnstated}, "; revocation of the signer: no-source", "revocation=no-source"},
	} {
		t.Run(name, func(t *testing.T) {
			b.log.Reset()
			b.Evidence = &told{func(*x509.Certificate) trust.Revocation { return tt.known }}
			id := b.from(alice)
			b.run()
			events := b.events(id, "open")
			equal(t, "events", len(events), 1)
			if !strings.HasSuffix(events[0], tt.track) {
				t.Errorf("the track says %q, want %q at its end", events[0], tt.track)
			}
			if !strings.Contains(b.log.String(), tt.log) {
				t.Errorf("the log lacks %s:\n%s", tt.log, b.log.String())
			}
		})
	}
}

// AS-66, AS-71: a revoked signer is met with silence.
func TestAS71_RevokedSignerIsRefused(t *testing.T) {
	_, b, alice := inbound(t)
	b.Evidence = says(trust.IsRevoked)
	id := b.from(alice)
	b.run()
	equal(t, "state", b.states(id), []string{"bob@b.example refused revoked"})
	equal(t, "answers", len(b.jobs(store.SealJob)), 0)
	equal(t, "kept", len(b.jobs(store.KeptJob)), 1)
}

// A message whose signer has to be asked about is opened when the answer is
// there, and delivered once.
func TestAS72_MessageWaitsForEvidenceThatIsOnItsWay(t *testing.T) {
	_, b, alice := inbound(t)
	asked := 0
	b.Evidence = &told{func(*x509.Certificate) trust.Revocation {
		asked++
		if asked < 3 {
			return trust.Revocation{Pending: arrived()}
		}
		return trust.Revocation{Status: trust.NotRevoked}
	}}
	id := b.from(alice)
	b.run()
	b.waits.Wait()
	equal(t, "state", b.states(id), []string{"bob@b.example delivered"})
	equal(t, "asked", asked, 4) // when opened, twice while waiting, when opened with all at hand
	equal(t, "delivered", len(b.inbox("bob@b.example")), 1)
	equal(t, "attempts that were counted", b.waiting.Load(), 0)
}

// However late a message comes to be opened, evidence that is on its way is waited
// for, and a server that is down has its tries.
func TestAS72_LateMessageWaitsForEvidenceToo(t *testing.T) {
	w, b, alice := inbound(t)
	asked := 0
	b.Evidence = &told{func(*x509.Certificate) trust.Revocation {
		asked++
		if asked == 1 {
			return trust.Revocation{Pending: arrived()}
		}
		return trust.Revocation{Status: trust.NotRevoked}
	}}
	id := b.from(alice)
	w.clock.advance(5 * time.Hour)
	b.run()
	equal(t, "soft", b.states(id), []string{"bob@b.example delivered"})

	b.Evidence, b.Revocation = says(trust.RevocationUnknown), trust.HardFail
	id = b.from(alice)
	w.clock.advance(5 * time.Hour)
	b.run()
	equal(t, "hard, at first", b.states(id), []string{"bob@b.example queued revocation-unavailable"})
	for range 5 {
		w.clock.advance(10 * time.Minute)
		b.run()
	}
	equal(t, "hard, in the end", b.states(id), []string{"bob@b.example refused revocation-unavailable"})
}

// An expired certificate of an address does not stand in the way of its domain's.
func TestCD2_ExpiredCertificateOfAnAddress(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example", "ann@a.example")
	a.addKey("ann@a.example", w.root.Leaf("ann@a.example", testnet.Valid(-2*time.Hour, -time.Minute)))
	a.submit(message("alice@a.example", "ann@a.example"), "alice@a.example", "ann@a.example")
	w.runAll()
	equal(t, "delivered", len(a.inbox("ann@a.example")), 1)
}

// AS-73: under hard-fail a message waits an hour for what does not come, and is
// then refused and kept.
func TestAS73_HardFailWaitsAndThenRefuses(t *testing.T) {
	w, b, alice := inbound(t)
	b.Evidence, b.Revocation = says(trust.RevocationUnknown), trust.HardFail
	id := b.from(alice)
	b.run()
	equal(t, "at first", b.states(id), []string{"bob@b.example queued revocation-unavailable"})
	for range 6 {
		w.clock.advance(9 * time.Minute)
		b.run()
	}
	equal(t, "after 54 minutes", b.states(id), []string{"bob@b.example queued revocation-unavailable"})
	w.clock.advance(30 * time.Minute)
	b.run()
	equal(t, "after an hour", b.states(id), []string{"bob@b.example refused revocation-unavailable"})
	equal(t, "kept", len(b.jobs(store.KeptJob)), 1)
	equal(t, "delivered", len(b.inbox("bob@b.example")), 0)

	id = b.from(alice)
	b.run()
	b.Evidence = says(trust.NotRevoked)
	w.clock.advance(time.Minute)
	b.run()
	equal(t, "when the answer comes", b.states(id), []string{"bob@b.example delivered"})
}

// A recipient who is refused for good does not wait for one whose case is open.
func TestAS73_RecipientsAreDecidedEachForThemselves(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example", "c.example")
	b.accounts("bob@b.example", "cat@c.example")
	b.update(func(tx store.Tx) error {
		return tx.RemoveAnchor(store.ManualSource, "", store.FingerprintOf(w.root.Cert.Raw))
	})
	b.trust("b.example", store.In, w.root)
	b.trust("c.example", store.In, w.pki.Root("other"))
	b.Evidence, b.Revocation = says(trust.RevocationUnknown), trust.HardFail
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example", "Cc: cat@c.example"), b, "bob@b.example", "cat@c.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example", "cat@c.example")...)
	b.run()
	equal(t, "states", b.states(id), []string{"bob@b.example queued revocation-unavailable", "cat@c.example refused untrusted-anchor"})
	equal(t, "kept", len(b.jobs(store.KeptJob)), 1)
	b.Evidence = says(trust.NotRevoked)
	w.clock.advance(time.Minute)
	b.run()
	equal(t, "later", b.states(id), []string{"bob@b.example delivered", "cat@c.example refused untrusted-anchor"})
	w.clock.advance(8 * 24 * time.Hour)
	b.run()
	equal(t, "open and kept in the end", len(b.jobs(store.OpenJob, store.KeptJob)), 0)
}

// AS-71, AS-75: a recipient's revoked certificate fails the recipient; without
// an answer, hard-fail tries again.
func TestAS61_AS71_RecipientsCertificateOnTheWayOut(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	w.find = func(discovery.Request) (discovery.Result, bool) { return published(w.root.Leaf("b.example")), true }
	a.Evidence = says(trust.IsRevoked)
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "revoked", a.states(id), []string{"bob@b.example failed revoked"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 1)

	a.Evidence, a.Revocation = says(trust.RevocationUnknown), trust.HardFail
	id = a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "no answer", a.states(id), []string{"bob@b.example queued revocation-unavailable"})
	a.Revocation = trust.SoftFail
	w.clock.advance(time.Minute)
	a.run()
	equal(t, "soft", a.states(id), []string{"bob@b.example relayed"})
}

// BB-22, BB-36: whose signatures count is each domain's to say.
func TestBB36_TB24_SignersOfADomain(t *testing.T) {
	policy, err := x509.ParseOID(evPolicy)
	if err != nil {
		t.Fatal(err)
	}
	asserts := testnet.Template(func(c *x509.Certificate) { c.Policies = []x509.OID{policy} })
	for name, tt := range map[string]struct {
		policy               trust.SignerPolicy
		community, ev, plain string // states for these signers
	}{
		"community": {trust.Community, "delivered", "refused untrusted-anchor", "refused untrusted-anchor"},
		"ev":        {trust.ExtendedValidation, "refused signer-policy", "delivered", "refused signer-policy"},
		"either":    {trust.Either, "delivered", "delivered", "refused signer-policy"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			b.accounts("bob@b.example")
			b.Signers = Signers{Of: map[mime.Domain]trust.SignerPolicy{"b.example": tt.policy}, Policies: []x509.OID{policy}}
			vendor := w.pki.Root("vendor", asserts)
			root := anchorOf("b.example", store.In, vendor)
			root.Source = store.EVSource
			b.update(func(tx store.Tx) error { return tx.PutAnchor(root) })
			for i, want := range []string{tt.community, tt.ev, tt.plain} {
				by := []*testnet.Identity{w.root.Leaf("a.example"), vendor.Leaf("a.example", asserts), vendor.Leaf("a.example")}[i]
				id := b.from(peer{t: t, at: w.clock, id: by})
				b.run()
				equal(t, []string{"community", "ev", "plain"}[i], b.states(id), []string{"bob@b.example " + want})
				w.clock.advance(8 * 24 * time.Hour) // not the same message once more
			}
		})
	}
}

// BB-21: certificates of two issuers make a signature each; renewals do not.
func TestBB21_OneSignatureForEachIssuer(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	other := w.pki.Root("other")
	a.addKey("a.example", other.Leaf("a.example", testnet.Valid(-3*time.Hour, 24*time.Hour)))
	a.addKey("a.example", other.Leaf("a.example", testnet.Valid(-2*time.Hour, 24*time.Hour)))
	equal(t, "signers", len(signersOf(a, "alice@a.example")), 2)
	// Only the second of them is trusted there.
	b.update(func(tx store.Tx) error {
		return tx.RemoveAnchor(store.ManualSource, "", store.FingerprintOf(w.root.Cert.Raw))
	})
	b.trust("", store.In, other)
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	equal(t, "delivered", len(b.inbox("bob@b.example")), 1)
}

// AS-20, AS-36: a message to a certificate with an EC key is opened by ECDH.
func TestAS36_MessageToAnECKey(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		for _, cipher := range []cms.ContentCipher{cms.AES256CBC, cms.AES128GCM} {
			t.Run(curve.Params().Name+" "+cipher.String(), func(t *testing.T) {
				w := newWorld(t)
				a, b := w.site("a.example"), w.bare("b.example")
				b.trust("", store.Both, w.root)
				usage := x509.KeyUsageDigitalSignature | x509.KeyUsageKeyAgreement
				b.addKey("b.example", w.root.Leaf("b.example", testnet.EC(curve), testnet.Usage(usage)))
				a.accounts("alice@a.example")
				b.accounts("bob@b.example")
				a.Sealing.Default.Cipher = cipher
				a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
				w.runAll()
				equal(t, "delivered", len(b.inbox("bob@b.example")), 1)
				equal(t, "answered", len(a.inbox("alice@a.example")), 1)
			})
		}
	}
}
