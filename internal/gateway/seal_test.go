package gateway

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime/dsn"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A countingSigner counts what a key signs.
type countingSigner struct {
	crypto.Signer
	n *atomic.Int32
}

func (c countingSigner) Sign(rand io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	c.n.Add(1)
	return c.Signer.Sign(rand, digest, o)
}

// countSignatures counts from now on what the site's keys sign.
func (s *site) countSignatures() *atomic.Int32 {
	s.t.Helper()
	dir, err := s.Directory(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	n := new(atomic.Int32)
	for _, ids := range dir.keys {
		for i := range ids {
			ids[i].Signer = countingSigner{ids[i].Signer, n}
		}
	}
	return n
}

func TestAS44_OneSignatureServesAllDestinations(t *testing.T) {
	for name, tt := range map[string]struct {
		to     []string
		copies int
	}{
		"two domains":        {[]string{"bob@b.example", "carol@c.example"}, 2},
		"two at one domain":  {[]string{"bob@b.example", "ben@b.example"}, 1},
		"three, two domains": {[]string{"bob@b.example", "carol@c.example", "ben@b.example"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			w.site("c.example")
			a.accounts("alice@a.example")
			n := a.countSignatures()
			text := message("alice@a.example", strings.Join(tt.to, ">, <"))
			a.submit(text, "alice@a.example", tt.to...)
			seal := a.jobs(store.SealJob)[0]
			a.doStep(t.Context(), seal, a.seal)
			equal(t, "signatures", n.Load(), 1)
			equal(t, "relay jobs", len(a.jobs(store.RelayJob)), tt.copies)
			served := 0
			for _, j := range a.jobs(store.RelayJob) {
				served += len(j.Recipients)
				noCanary(t, "a relay job's body", a.body(j.Body))
			}
			equal(t, "recipients", served, len(tt.to))
			equal(t, "seal jobs", len(a.jobs(store.SealJob)), 0)
		})
	}
}

// AS-45: one envelope for two of a domain opens with the key of either.
func TestAS45_OneEnvelopeForAddressKeysOfOneDomain(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.bare("b.example")
	bob, ben := w.root.Leaf("bob@b.example"), w.root.Leaf("ben@b.example")
	b.addKey("bob@b.example", bob)
	b.addKey("ben@b.example", ben)
	a.accounts("alice@a.example")
	text := message("alice@a.example", "bob@b.example>, <ben@b.example")
	a.submit(text, "alice@a.example", "bob@b.example", "ben@b.example")
	a.run()
	_, raw := a.taken()
	equal(t, "envelopes", len(raw), 1)
	for _, id := range []*testnet.Identity{bob, ben} {
		equal(t, "the message inside", opened(t, raw[0], id), string(crlf(text)))
	}
}

// AS-56: a blind recipient gets a copy of its own, and nobody else learns of it.
func TestAS56_AS77_BlindRecipients(t *testing.T) {
	for name, fields := range map[string][]string{
		"in Bcc":                     {"Bcc: Dora <dora@d.example>"},
		"in no header":               nil,
		"in a Resent-Bcc, with a Cc": {"Resent-Bcc: dora@d.example", "Cc: carol@c.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			b, d := w.site("b.example"), w.site("d.example")
			a.accounts("alice@a.example")
			b.accounts("bob@b.example")
			d.accounts("dora@d.example")
			a.submit(message("alice@a.example", "bob@b.example", fields...), "alice@a.example", "bob@b.example", "dora@d.example")
			a.run()
			sent, raw := a.taken()
			equal(t, "copies", len(sent), 2)
			for i, s := range sent {
				for _, secret := range []string{"dora@", "d.example", "bob@"} { // none can come about in base64
					if !strings.HasPrefix(s.To[0].String(), secret) && s.Destination.String() != secret && strings.Contains(string(raw[i]), secret) {
						t.Errorf("the copy for %s names %s outside", s.To, secret)
					}
				}
				w.carry(s, raw[i])
			}
			w.runAll()
			got := headerOf(t, b.inbox("bob@b.example")[0])
			if got.Has("Bcc") || got.Has("Resent-Bcc") || strings.Contains(b.inbox("bob@b.example")[0], "dora") {
				t.Errorf("bob learns of dora:\n%s", b.inbox("bob@b.example")[0])
			}
			blind := headerOf(t, d.inbox("dora@d.example")[0])
			cc, err := blind.Addresses("Cc")
			if err != nil || !cc[len(cc)-1].Same(addr(t, "dora@d.example")) || blind.Has("Bcc") || blind.Has("Resent-Bcc") {
				t.Errorf("dora's copy has Cc %v, %v", cc, err)
			}
		})
	}
}

// AS-75, AS-76: each recipient is judged alone; failures are told in one notice,
// what may pass is tried again, and nothing ever leaves unsealed.
func TestAS75_MixedRecipients(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("good.example")
	w.bare("stranger.example").addKey("stranger.example", w.pki.Root("other").Leaf("stranger.example"))
	slow := true
	w.find = func(ask discovery.Request) (discovery.Result, bool) {
		if ask.Address.Domain() != "slow.example" {
			return discovery.Result{}, false
		}
		if slow {
			return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "SERVFAIL")}, true
		}
		return published(w.root.Leaf("slow.example")), true
	}
	a.accounts("alice@a.example")
	to := []string{"g@good.example", "u@stranger.example", "n@nothing.example", "s@slow.example"}
	id := a.submit(message("alice@a.example", strings.Join(to, ">, <")), "alice@a.example", to...)
	a.run()
	want := []string{"g@good.example relayed", "u@stranger.example failed untrusted-anchor",
		"n@nothing.example failed no-certificate", "s@slow.example queued discovery-timeout"}
	equal(t, "states", a.states(id), want)
	sent, raw := a.taken()
	equal(t, "copies", len(sent), 1)
	noCanary(t, "the copy", string(raw[0]))

	notices := a.inbox("alice@a.example")
	equal(t, "notices", len(notices), 1)
	n := parseDSN(t, notices[0])
	equal(t, "diagnostics", diagnostics(n), map[string]string{
		"u@stranger.example": "failed 5.7.1 x-postern; untrusted-anchor",
		"n@nothing.example":  "failed 5.7.5 x-postern; no-certificate",
	})
	equal(t, "original", n.OriginalMessageID, "<m1@a.example>")
	if strings.Contains(notices[0], "CANARY") {
		t.Error("the notice quotes the message")
	}

	left := a.jobs()
	equal(t, "jobs left", len(left), 1)
	equal(t, "recipients left", left[0].Recipients, addrs(t, "s@slow.example"))
	slow = false
	w.clock.advance(firstRetry)
	a.run()
	sent, raw = a.taken()
	equal(t, "copies of the second attempt", len(sent), 1)
	equal(t, "its recipients", sent[0].To, addrs(t, "s@slow.example"))
	noCanary(t, "the copy", string(raw[0]))
	equal(t, "notices", len(a.inbox("alice@a.example")), 1)
	equal(t, "jobs left", len(a.jobs()), 0)
}

func diagnostics(n *dsn.Notification) map[string]string {
	all := make(map[string]string)
	for _, r := range n.Recipients {
		all[r.Final.String()] = string(r.Action) + " " + r.Status + " " + r.Diagnostic
	}
	return all
}

// AS-75: what may pass fails for good after RetryFor, and the sender is told.
func TestAS75_TemporaryFailuresEnd(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.find = func(discovery.Request) (discovery.Result, bool) {
		return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "SERVFAIL")}, true
	}
	a.accounts("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	end := w.clock.Now().Add(a.RetryFor)
	attempts := 0
	for len(a.jobs()) > 0 {
		j := a.jobs()[0]
		if j.Due.After(end) {
			t.Fatalf("attempt %d is due at %s, after the end at %s", j.Attempts, j.Due, end)
		}
		next := j.Due
		if until := a.breakerOf(sealLane("b.example")).until; until.After(next) && until.Before(end) {
			next = until
		} else if until.After(end) {
			next = end
		}
		w.clock.advance(next.Sub(w.clock.Now()))
		a.run()
		attempts++
		if attempts > 300 {
			t.Fatal("it is tried for ever")
		}
	}
	if !w.clock.Now().Equal(end) {
		t.Errorf("the last attempt was at %s, not at the end at %s", w.clock.Now(), end)
	}
	equal(t, "state", a.states(id), []string{"bob@b.example failed discovery-timeout"})
	notices := a.inbox("alice@a.example")
	equal(t, "notices", len(notices), 1)
	n := parseDSN(t, notices[0])
	equal(t, "status", n.Recipients[0].Status, "5.4.3")
	if strings.Contains(notices[0], "tried again") {
		t.Errorf("the notice of a final failure promises another attempt:\n%s", notices[0])
	}
	sent, _ := a.taken()
	equal(t, "copies", len(sent), 0)
}

// A sender without a signing key is told; nothing is sent unsigned (AS-76).
func TestAS76_NothingLeavesUnsigned(t *testing.T) {
	for name, change := range map[string]func(*world, *site){
		"no key": func(*world, *site) {},
		"retired key": func(w *world, a *site) {
			a.addKey("a.example", w.root.Leaf("a.example"), func(k *store.Key) { k.Retired = a.Now() })
		},
		"expired key": func(w *world, a *site) {
			a.addKey("a.example", w.root.Leaf("a.example", testnet.Valid(-48*time.Hour, -time.Hour)))
		},
		"key of another": func(w *world, a *site) { a.addKey("carol@a.example", w.root.Leaf("carol@a.example")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.bare("a.example")
			w.site("b.example")
			change(w, a)
			a.trust("", store.Both, w.root)
			a.accounts("alice@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			equal(t, "state", a.states(id), []string{"bob@b.example failed no-signing-key"})
			sent, _ := a.taken()
			equal(t, "copies", len(sent), 0)
			n := parseDSN(t, a.inbox("alice@a.example")[0])
			equal(t, "diagnostics", diagnostics(n), map[string]string{"bob@b.example": "failed 5.7.5 x-postern; no-signing-key"})
		})
	}
}

// What cannot be sealed, now or later, is told to the sender and not tried for
// ever.
func TestAS75_UnsealableMessageFails(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	// An earlier version may have let in what this one would not.
	a.update(func(tx store.Tx) error {
		j := a.jobs()[0]
		body, err := a.Store.NewBody(t.Context())
		if err != nil {
			return err
		}
		_, err = body.Write(crlf("From: alice@a.example\nTo: bob@b.example\nDate: \x01\nMessage-ID: <m1@a.example>\n\n" + canary))
		if err != nil {
			return err
		}
		j.Body, err = tx.PutBody(body)
		if err != nil {
			return err
		}
		return tx.Reschedule(j)
	})
	a.run()
	equal(t, "state", a.states(id), []string{"bob@b.example failed malformed"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 1)
	equal(t, "jobs left", len(a.jobs()), 0)
}

// An error of our own is tried again, and at the end the sender is told.
func TestAS75_OwnErrorsEndToo(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	dir, err := a.Directory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ids := dir.keys["a.example"]
	ids[0].Signer = brokenSigner{ids[0].Signer}
	a.run()
	equal(t, "jobs left", len(a.jobs()), 1)
	equal(t, "reason", a.jobs()[0].Reason, "internal")
	equal(t, "notices", len(a.inbox("alice@a.example")), 0)
	w.clock.advance(a.RetryFor)
	a.run()
	equal(t, "state", a.states(id), []string{"bob@b.example failed queue-expired"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 1)
	equal(t, "jobs left", len(a.jobs()), 0)
}

type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token does not answer")
}

// One recipient's odd certificate is that recipient's matter: a key that cannot
// be encrypted to, or a look-up that panics.
func TestOddRecipientHoldsUpNobodyElse(t *testing.T) {
	for name, tt := range map[string]struct {
		find func(w *world) discovery.Result
		want string
	}{
		"key": {func(w *world) discovery.Result {
			id := *w.root.Leaf("odd.example")
			cert := *id.Cert
			key := *cert.PublicKey.(*rsa.PublicKey)
			key.N = new(big.Int).Lsh(key.N, 4096) // beyond what the judge has seen
			key.E = 1
			cert.PublicKey = &key
			id.Cert = &cert
			return published(&id)
		}, "ozzy@odd.example failed weak-key"},
		"panic": {func(*world) discovery.Result { panic(canary) }, "ozzy@odd.example queued internal"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			w.find = func(ask discovery.Request) (discovery.Result, bool) {
				if ask.Address.Domain() != "odd.example" {
					return discovery.Result{}, false
				}
				return tt.find(w), true
			}
			a.accounts("alice@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example>, <ozzy@odd.example"), "alice@a.example", "bob@b.example", "ozzy@odd.example")
			a.run()
			equal(t, "states", a.states(id), []string{"bob@b.example relayed", tt.want})
		})
	}
}

// A copy that cannot be encrypted fails its recipients, and no other copy.
func TestSealGroupFailsAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		key  crypto.PublicKey
		want reason.Code
	}{
		"not RSA":      {ed25519.PublicKey(make([]byte, 32)), reason.Unsupported},
		"even modulus": {&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2047), E: 65537}, reason.Internal},
		"no modulus":   {&rsa.PublicKey{E: 65537}, reason.Internal}, // it panics
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example")
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "ozzy@odd.example", "oz@odd.example")
			dir, err := a.Directory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			job := a.jobs()[0]
			good := w.root.Leaf("b.example").Cert
			odd := *good
			odd.PublicKey = tt.key
			routes := []Route{
				{Recipient: addr(t, "oz@odd.example"), Certificates: []*x509.Certificate{&odd}}, // blind
				{Recipient: addr(t, "bob@b.example"), Certificates: []*x509.Certificate{good}},
				{Recipient: addr(t, "ozzy@odd.example"), Certificates: []*x509.Certificate{&odd}},
			}
			job.Blind = addrs(t, "oz@odd.example")
			step := &sealing{Core: a.Core, ctx: t.Context(), job: job, now: a.Now(), signers: dir.Signers(job.Sender, a.Now())}
			defer step.discard()
			step.src, err = a.stored(t.Context(), job.Body)
			if err != nil {
				t.Fatal(err)
			}
			err = step.sealAll(routes)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "copies", len(step.copies), 1)
			equal(t, "codes", []reason.Code{routes[0].Code, routes[1].Code, routes[2].Code}, []reason.Code{tt.want, "", tt.want})
		})
	}
}
