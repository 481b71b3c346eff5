package storetest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"slices"

	"postern/mime"
	"postern/store"
)

func directoryTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"DomainsComeAndGo":                       domains,
		"AccountsAreFoundWithoutRegardToCase":    accounts,
		"WhoGetsAnAddressIsAnother":              eras,
		"WhatIsTakenIsOfItsEra":                  takenIn,
		"WhoHadAnAddressIsForgotten":             forgetsFormers,
		"WhoHadAnAddressIsBounded":               manyTenures,
		"WhoLeavesAnAddressIsNoted":              formers,
		"PutAccountCreatesItsInbox":              accountInbox,
		"RemoveAccountTakesItsMailboxesAlong":    accountRemoved,
		"RemoveDomainTakesKeysAndAnchorsAlong":   domainRemoved,
		"RemoveAccountTakesItsKeysAlong":         accountKeysRemoved,
		"KeysAreFoundByOwner":                    keys,
		"AnchorsAreKeptApartBySourceAndDomain":   anchors,
		"TheGenerationGrowsWithTheDirectoryOnly": generation,
	}
}

// certificate returns the certificate of a name, always the same one.
func certificate(name string) []byte {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err) // of a template that never changes
	}
	return der
}

func newKey(owner string) store.Key {
	der := certificate(owner)
	return store.Key{Fingerprint: store.FingerprintOf(der), Owner: owner, Certificate: der,
		Chain: [][]byte{[]byte("issuer")}, PKCS8: []byte("private key of " + owner), Test: true, Created: noon()}
}

func newAnchor(source string, domain mime.Domain, text string) store.Anchor {
	der := certificate(text)
	return store.Anchor{Source: source, Domain: domain, Fingerprint: store.FingerprintOf(der),
		Direction: store.Both, Certificate: der, Created: noon()}
}

func domains(s *suite) {
	s.update(putDomain("b.example"))
	s.update(putDomain("a.example"))
	s.update(putDomain("a.example"))
	s.view(func(tx store.Tx) error {
		all, err := tx.Domains()
		s.equal(all, []store.Domain{{Name: "a.example", Created: noon()}, {Name: "b.example", Created: noon()}})
		return err
	})
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveDomain("a.example") }), store.ErrNotFound)
}

// keep is the owners of the keys and the domains of the anchors that are there.
func (s *suite) keep(owners []string, anchors []mime.Domain) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		keys, err := tx.Keys()
		s.must(err)
		var got []string
		for _, k := range keys {
			got = append(got, k.Owner)
			of, err := tx.KeysOf(k.Owner)
			s.must(err)
			s.equal(len(of), 1)
		}
		slices.Sort(got)
		s.equal(got, owners)
		all, err := tx.Anchors()
		var domains []mime.Domain
		for _, a := range all {
			domains = append(domains, a.Domain)
		}
		s.equal(domains, anchors)
		return err
	})
}

func domainRemoved(s *suite) {
	s.update(putDomain("a.example"))
	s.update(func(tx store.Tx) error {
		for _, owner := range []string{"a.example", "x@a.example", "b.a.example", "x@b.a.example", "test-ca"} {
			s.must(tx.PutKey(newKey(owner)))
		}
		s.must(tx.PutAnchor(newAnchor("bundle", "a.example", "x")))
		s.must(tx.PutAnchor(newAnchor("bundle", "", "x")))
		s.must(tx.PutAnchor(newAnchor("manual", "a.example", "x")))
		s.must(tx.PutAnchor(newAnchor("manual", "a.example", "y")))
		return tx.PutAnchor(newAnchor("manual", "b.a.example", "x"))
	})
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.keep([]string{"b.a.example", "test-ca", "x@b.a.example"}, []mime.Domain{"", "b.a.example"})
	s.update(putDomain("a.example"))
	s.keep([]string{"b.a.example", "test-ca", "x@b.a.example"}, []mime.Domain{"", "b.a.example"})
}

func accountKeysRemoved(s *suite) {
	a := store.Account{Address: s.address("Doctor@b.example")}
	s.update(func(tx store.Tx) error {
		s.must(tx.PutAccount(a))
		s.must(tx.PutKey(newKey("doctor@b.example")))
		s.must(tx.PutKey(newKey("b.example")))
		return tx.PutKey(newKey("doctor2@b.example"))
	})
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(a.Address) })
	s.keep([]string{"b.example", "doctor2@b.example"}, nil)
}

func accounts(s *suite) {
	a := store.Account{Address: s.address("Doctor@b.example"), Password: "$argon2id$", Created: noon()}
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Account(s.address("dOCTOR@b.example"))
		s.equal(got, a)
		return err
	})
	a.Disabled = true
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	s.view(func(tx store.Tx) error {
		all, err := tx.Accounts()
		s.equal(all, []store.Account{a})
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveAccount(s.address("x@b.example")) }), store.ErrNotFound)
}

func accountInbox(s *suite) {
	a := store.Account{Address: s.address("doctor@b.example")}
	put := func(tx store.Tx) error { return tx.PutAccount(a) }
	s.update(put)
	var before store.Mailbox
	s.view(func(tx store.Tx) (err error) {
		before, err = tx.MailboxByName(a.Address, "inbox")
		return err
	})
	s.deliver(before.ID, "text")
	s.update(put)
	s.view(func(tx store.Tx) error {
		after, err := tx.MailboxByName(a.Address, store.Inbox)
		s.equal(after.Messages, uint32(1))
		s.equal(after.ID, before.ID)
		return err
	})
	s.sound()
}

func accountRemoved(s *suite) {
	a := store.Account{Address: s.address("doctor@b.example")}
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	var box store.Mailbox
	s.view(func(tx store.Tx) (err error) {
		box, err = tx.MailboxByName(a.Address, store.Inbox)
		return err
	})
	m := s.deliver(box.ID, "text")
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(a.Address) })
	s.gone(m.Body)
	s.view(func(tx store.Tx) error {
		all, err := tx.Mailboxes(a.Address)
		s.equal(len(all), 0)
		return err
	})
	s.sound()
}

func keys(s *suite) {
	one, two, other := newKey("a@b.example"), newKey("b.example"), newKey("c.example")
	two.Owner = "a@b.example"
	s.update(func(tx store.Tx) error {
		s.must(tx.PutKey(one))
		s.must(tx.PutKey(two))
		return tx.PutKey(other)
	})
	s.view(func(tx store.Tx) error {
		got, err := tx.Key(one.Fingerprint)
		s.must(err)
		s.equal(got, one)
		of, err := tx.KeysOf("A@b.example")
		s.must(err)
		s.equal(len(of), 2)
		all, err := tx.Keys()
		s.equal(len(all), 3)
		return err
	})
	two.Owner, two.Retired = "b.example", noon()
	s.update(func(tx store.Tx) error {
		s.must(tx.PutKey(two))
		return tx.RemoveKey(one.Fingerprint)
	})
	s.view(func(tx store.Tx) error {
		of, err := tx.KeysOf("a@b.example")
		s.must(err)
		s.equal(len(of), 0)
		of, err = tx.KeysOf("b.example")
		s.equal(of, []store.Key{two})
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveKey(one.Fingerprint) }), store.ErrNotFound)
}

func anchors(s *suite) {
	all := []store.Anchor{newAnchor("bundle", "", "x"), newAnchor("manual", "", "x"), newAnchor("manual", "b.example", "x")}
	s.update(func(tx store.Tx) error {
		for _, a := range all {
			s.must(tx.PutAnchor(a))
		}
		return tx.PutAnchor(all[0])
	})
	s.update(func(tx store.Tx) error { return tx.RemoveAnchor("manual", "", all[1].Fingerprint) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Anchors()
		s.equal(got, []store.Anchor{all[0], all[2]})
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveAnchor("manual", "", all[1].Fingerprint) }), store.ErrNotFound)
	s.sound()
}

func generation(s *suite) {
	last := uint64(0)
	grows := func(want bool) {
		s.Helper()
		s.view(func(tx store.Tx) error {
			n, err := tx.Generation()
			if (n > last) != want || n < last {
				s.Errorf("generation %d after %d", n, last)
			}
			last = n
			return err
		})
	}
	grows(false)
	s.update(putDomain("a.example"))
	grows(true)
	s.update(func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: s.address("a@a.example")}) })
	grows(true)
	s.update(func(tx store.Tx) error { return tx.PutKey(newKey("a.example")) })
	grows(true)
	s.update(func(tx store.Tx) error { return tx.PutAnchor(newAnchor("manual", "", "x")) })
	grows(true)
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	grows(true)
	s.mailbox("x")
	grows(false)
}
