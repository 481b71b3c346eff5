package gateway

import (
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

func (s *site) directory() *Directory {
	s.t.Helper()
	d, err := s.Directory(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// signersOf names the certificates that sign for an address.
func signersOf(s *site, address string) []string {
	var all []string
	for _, signer := range s.directory().Signers(addr(s.t, address), s.Now()) {
		all = append(all, signer.Certificate.Subject.CommonName)
	}
	return all
}

func encryptedTo(s *site, address string) []string {
	var all []string
	for _, c := range s.directory().Certificates(addr(s.t, address), s.Now()) {
		all = append(all, c.Subject.CommonName)
	}
	return all
}

// AS-20, AS-21, CD-1, CD-2: the address's own key comes before its domain's, and
// only keys in use, in date and fit for it are used.
func TestAS21_ChoiceOfKeys(t *testing.T) {
	type key struct {
		owner, name string
		options     []testnet.Option
		retired     bool
	}
	named := func(owner, name string, o ...testnet.Option) key {
		o = append(o, testnet.Template(func(c *x509.Certificate) { c.Subject.CommonName = name }))
		return key{owner: owner, name: name, options: o}
	}
	retired := func(k key) key { k.retired = true; return k }
	sign, encrypt := testnet.Usage(x509.KeyUsageDigitalSignature), testnet.Usage(x509.KeyUsageKeyEncipherment)
	expired := testnet.Valid(-2*time.Hour, -time.Second)
	for name, tt := range map[string]struct {
		keys              []key
		signers, encrypts []string
	}{
		"none":               {nil, nil, nil},
		"domain":             {[]key{named("a.example", "d")}, []string{"d"}, []string{"d"}},
		"address first":      {[]key{named("a.example", "d"), named("alice@a.example", "a")}, []string{"a"}, []string{"a"}},
		"another's address":  {[]key{named("a.example", "d"), named("bob@a.example", "b")}, []string{"d"}, []string{"d"}},
		"retired address":    {[]key{named("a.example", "d"), retired(named("alice@a.example", "a"))}, []string{"d"}, []string{"d"}},
		"all retired":        {[]key{retired(named("a.example", "d")), retired(named("alice@a.example", "a"))}, nil, nil},
		"expired address":    {[]key{named("a.example", "d"), named("alice@a.example", "a", expired)}, []string{"d"}, []string{"d"}},
		"single use":         {[]key{named("a.example", "s", sign), named("a.example", "e", encrypt)}, []string{"s"}, []string{"e"}},
		"address signs only": {[]key{named("a.example", "d"), named("alice@a.example", "s", sign)}, []string{"s"}, []string{"d"}},
		"renewed": {[]key{named("a.example", "new", testnet.Valid(-time.Hour, time.Hour)),
			named("a.example", "old", testnet.Valid(-2*time.Hour, time.Hour))}, []string{"new"}, []string{"new", "old"}},
		"renewed to begin later": {[]key{named("a.example", "new", testnet.Valid(time.Hour, 2*time.Hour)),
			named("a.example", "old")}, []string{"old"}, []string{"old"}},
		"not yet in date": {[]key{named("a.example", "d", testnet.Valid(time.Hour, 2*time.Hour))}, nil, []string{"d"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.bare("a.example")
			for _, k := range tt.keys {
				owner := k.owner
				s.addKey(owner, w.root.Leaf(owner, k.options...), func(key *store.Key) {
					if k.retired {
						key.Retired = s.Now()
					}
				})
			}
			equal(t, "signers", signersOf(s, "Alice@a.example"), tt.signers)
			equal(t, "encrypted to", sorted(encryptedTo(s, "ALICE@a.example")), tt.encrypts)
		})
	}
}

// AS-78: a retired key still opens what was encrypted to it.
func TestAS78_RetiredKeyDecrypts(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	old := w.root.Leaf("bob@b.example")
	b.addKey("bob@b.example", old)
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	b.addKey("bob@b.example", old, func(k *store.Key) { k.Retired = b.Now() })
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.run()
	equal(t, "state", b.states(id), []string{"bob@b.example delivered"})
	equal(t, "new mail is encrypted to", encryptedTo(b, "bob@b.example"), []string{"b.example"})

	b.update(func(tx store.Tx) error { return tx.RemoveKey(store.FingerprintOf(old.Cert.Raw)) })
	id = b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.run()
	equal(t, "without the key", b.states(id), []string{"bob@b.example refused undecryptable"})
}

// A change of the directory counts for the very next step.
func TestDirectoryChangesCountAtOnce(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	try := func() string {
		id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
		b.run()
		return b.states(id)[0]
	}
	equal(t, "trusted", try(), "bob@b.example delivered")
	b.update(func(tx store.Tx) error {
		return tx.RemoveAnchor(store.ManualSource, "", store.FingerprintOf(w.root.Cert.Raw))
	})
	equal(t, "anchor gone", try(), "bob@b.example refused no-anchors")
	b.trust("b.example", store.Out, w.root)
	equal(t, "the other way", try(), "bob@b.example refused no-anchors")
	b.trust("b.example", store.In, w.root)
	equal(t, "trusted again", try(), "bob@b.example delivered")

	equal(t, "before", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, "bob@b.example"))), "ok")
	b.disable("bob@b.example")
	equal(t, "disabled", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, "bob@b.example"))), "recipient-disabled")
	b.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "bob@b.example")) })
	equal(t, "removed", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, "bob@b.example"))), "unknown-recipient")
	b.update(func(tx store.Tx) error { return tx.RemoveDomain("b.example") })
	equal(t, "no domain", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), addr(t, "bob@b.example"))), "not-our-domain")
}

// AS-60: anchors are those of the domain and those of every domain, by direction.
func TestAS60_AS80_AnchorsByDomainAndDirection(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example", "b.example")
	everyone, own, in := w.pki.Root("everyone"), w.pki.Root("own"), w.pki.Root("in")
	s.trust("", store.Both, everyone)
	s.trust("a.example", store.Both, own)
	s.trust("a.example", store.In, in)
	names := func(d mime.Domain, way store.Direction) []string {
		var all []string
		for _, c := range s.directory().Anchors(d, way).All() {
			all = append(all, c.Subject.CommonName)
		}
		return sorted(all)
	}
	equal(t, "a, in", names("a.example", store.In), []string{"everyone", "in", "own"})
	equal(t, "a, out", names("a.example", store.Out), []string{"everyone", "own"})
	equal(t, "b, in", names("b.example", store.In), []string{"everyone"})
	equal(t, "b, out", names("b.example", store.Out), []string{"everyone"})
}

// The same Directory is kept while nothing changes, keys are prepared once, and
// reading it side by side with changes is safe.
func TestDirectoryIsKept(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	first := s.directory()
	if s.directory() != first {
		t.Error("it is made anew without a change")
	}
	signer := first.Identities(addr(t, "x@a.example"))[0].Signer
	s.accounts("alice@a.example")
	second := s.directory()
	if second == first {
		t.Error("a change is not seen")
	}
	if second.Identities(addr(t, "x@a.example"))[0].Signer != signer {
		t.Error("a key was prepared again")
	}
	if len(second.Identities(addr(t, "x@a.example"))[0].PKCS8) > 0 {
		t.Error("the bytes of the private key are kept")
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if i == 0 {
				s.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: "c.example"}) })
			}
			s.directory()
		})
	}
	all.Wait()
	if !s.directory().IsOurs("c.example") {
		t.Error("the new domain is not ours")
	}
}

// Of two that begin at once the one that was stored later signs.
func TestTheNewestKeySigns(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example")
	for i, name := range []string{"2", "3", "1"} {
		change := testnet.Template(func(c *x509.Certificate) { c.Subject.CommonName = name })
		age := []time.Duration{2, 1, 3}[i] * time.Hour
		s.addKey("a.example", w.root.Leaf("a.example", change), func(k *store.Key) { k.Created = s.Now().Add(-age) })
	}
	equal(t, "signers", signersOf(s, "alice@a.example"), []string{"3"})
}

// A certificate that cannot be read is left out and told of once; all else goes
// on.
func TestWhatCannotBeReadStopsNothing(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	bad := []byte("no certificate")
	good := w.root.Leaf("bob@a.example")
	s.addKey("bob@a.example", good, func(k *store.Key) { k.PKCS8 = []byte("SECRET") })
	s.update(func(tx store.Tx) error {
		err := tx.PutAnchor(store.Anchor{Source: store.ManualSource, Domain: "a.example", Fingerprint: store.FingerprintOf(bad),
			Direction: store.Both, Certificate: bad})
		if err != nil {
			return err
		}
		return tx.PutKey(store.Key{Owner: "alice@a.example", Fingerprint: store.FingerprintOf(bad), Certificate: bad})
	})
	for range 3 {
		for _, who := range []string{"alice@a.example", "bob@a.example"} {
			equal(t, "signers of "+who, signersOf(s, who), []string{"a.example"})
		}
		equal(t, "anchors", s.directory().Anchors("a.example", store.In).Len(), 1)
	}
	equal(t, "keys told of", strings.Count(s.log.String(), "a key cannot be read"), 2)
	equal(t, "anchors told of", strings.Count(s.log.String(), "an anchor cannot be read"), 1)
	if strings.Contains(s.log.String(), "SECRET") {
		t.Error("the log shows a key")
	}
	s.log.Reset()
}

// An EC key signs, and opens what was encrypted to it by key agreement.
func TestECKeySigns(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example")
	id := w.root.Leaf("a.example", testnet.EC(elliptic.P256()))
	s.addKey("a.example", id)
	equal(t, "signers", signersOf(s, "alice@a.example"), []string{"a.example"})
	groups := s.directory().keyGroups(addrs(t, "alice@a.example", "bob@a.example"))
	equal(t, "groups", len(groups), 1)
	equal(t, "keys", len(groups[0].keys), 1)
	equal(t, "agrees", groups[0].keys[0].Agreement != nil, true)
	_, ok := id.Key.(crypto.Decrypter)
	equal(t, "EC key decrypts", ok, false)
}
