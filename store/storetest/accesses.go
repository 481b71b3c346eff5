package storetest

import (
	"bytes"
	"net/netip"
	"time"

	"postern/mime"
	"postern/store"
)

func accessTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"AnAccessComesBackWithItsKeys":     accessKept,
		"AccessIDsAreOfOneAccount":         accessIDs,
		"AnAccessNeedsItsAccount":          accessAlone,
		"AccessesGoWithTheirAccount":       accessGone,
		"LastUseIsNoPartOfTheDirectory":    lastUse,
		"TheLoginKeyIsTheSameForEver":      loginKey,
		"LastUseOfNothingIsRefused":        lastUseOfNothing,
		"ListedAccessesHaveNoKeys":         accessListed,
		"AnAccessIsRevokedWithItsLastUse":  accessRevoked,
		"ThePasswordHasOneAccessOfItsKind": accessOfPassword,
	}
}

func (s *suite) access(id string) store.Access {
	return store.Access{
		ID: id, Account: s.account("alice@a.example"), Kind: store.AppPassword, Name: "Jane's phone", Scopes: []string{"imap", "smtp"},
		Sum: store.Fingerprint{1}, Created: time.Unix(1, 0).UTC(), Expires: time.Unix(9, 0).UTC(),
		Keys: store.ScramKeys{Salt: []byte("salt"), Iterations: 4096, StoredKey: []byte("stored"), ServerKey: []byte("server")},
	}
}

// account makes an account unless there is one.
func (s *suite) account(address string) mime.Address {
	s.Helper()
	a := s.address(address)
	s.update(func(tx store.Tx) error {
		_, err := tx.Account(a)
		if err == nil {
			return nil
		}
		return tx.PutAccount(store.Account{Address: a})
	})
	return a
}

func accessKept(s *suite) {
	want := s.access("k3x9qa")
	s.update(func(tx store.Tx) error { return tx.PutAccess(want) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Access(s.address("ALICE@a.example"), "k3x9qa")
		s.must(err)
		s.equal(got, want)
		_, err = tx.Access(want.Account, "other")
		s.is(err, store.ErrNotFound)
		s.is(tx.PutAccess(want), store.ErrReadOnly)
		return nil
	})
	s.sound()
}

func accessListed(s *suite) {
	want := s.access("k3x9qa")
	s.update(func(tx store.Tx) error { return tx.PutAccess(want) })
	want.Keys = store.ScramKeys{}
	s.view(func(tx store.Tx) error {
		for _, list := range []func() ([]store.Access, error){
			tx.Accesses, func() ([]store.Access, error) { return tx.AccessesOf(want.Account) },
		} {
			all, err := list()
			s.must(err)
			s.equal(all, []store.Access{want})
		}
		return nil
	})
}

func accessIDs(s *suite) {
	a := s.access("k3x9qa")
	other := a
	other.Account = s.account("bob@a.example")
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccess(other) }), store.ErrExists)
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
}

func accessAlone(s *suite) {
	a := s.access("k3x9qa")
	a.Account = s.address("nobody@a.example")
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccess(a) }), store.ErrNotFound)
	for _, broken := range []func(*store.Access){
		func(a *store.Access) { a.ID = "" }, func(a *store.Access) { a.Account = mime.Address{} },
		func(a *store.Access) { a.Sum = store.Fingerprint{} }, func(a *store.Access) { a.ID = "a\x00b" },
		func(a *store.Access) { a.ID = store.PasswordAccess }, func(a *store.Access) { a.Kind = store.PasswordKind },
	} {
		a := s.access("k3x9qa")
		broken(&a)
		if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutAccess(a) }) == nil {
			s.Errorf("%+v is stored", a)
		}
	}
}

func accessOfPassword(s *suite) {
	for _, account := range []string{"alice@a.example", "bob@a.example"} {
		a := store.Access{ID: store.PasswordAccess, Kind: store.PasswordKind, Account: s.account(account), Sum: store.Fingerprint{1}}
		s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	}
	s.sound()
}

func accessGone(s *suite) {
	a := s.access("k3x9qa")
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	ids := []string{a.ID, store.PasswordAccess}
	for _, id := range ids {
		s.update(func(tx store.Tx) error {
			return tx.PutLastUse(a.Account, id, store.LastUse{At: time.Unix(3, 0), Service: "imap"})
		})
	}
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(a.Account) })
	s.account("alice@a.example")
	s.view(func(tx store.Tx) error {
		all, err := tx.Accesses()
		s.must(err)
		s.equal(len(all), 0)
		for _, id := range ids { // the next holder of the address is not shown when the former logged in
			u, err := tx.LastUse(a.Account, id)
			s.must(err)
			s.equal(u == store.LastUse{}, true)
		}
		return nil
	})
	s.sound()
}

func accessRevoked(s *suite) {
	a := s.access("k3x9qa")
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	s.update(func(tx store.Tx) error {
		return tx.PutLastUse(a.Account, a.ID, store.LastUse{At: time.Unix(3, 0), Service: "imap"})
	})
	s.update(func(tx store.Tx) error { return tx.RemoveAccess(a.Account, a.ID) })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveAccess(a.Account, a.ID) }), store.ErrNotFound)
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	s.view(func(tx store.Tx) error {
		u, err := tx.LastUse(a.Account, a.ID)
		s.must(err)
		s.equal(u == store.LastUse{}, true)
		return nil
	})
	s.sound()
}

func lastUse(s *suite) {
	a := s.access("k3x9qa")
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	want := store.LastUse{At: time.Unix(3, 0).UTC(), Service: "imap", Network: netip.MustParsePrefix("192.0.2.0/24")}
	var before, after uint64
	s.view(func(tx store.Tx) (err error) { before, err = tx.Generation(); return err })
	for _, id := range []string{a.ID, store.PasswordAccess} {
		s.update(func(tx store.Tx) error { return tx.PutLastUse(a.Account, id, want) })
		s.view(func(tx store.Tx) error {
			u, err := tx.LastUse(a.Account, id)
			s.must(err)
			s.equal(u == want, true)
			return nil
		})
	}
	s.view(func(tx store.Tx) (err error) { after, err = tx.Generation(); return err })
	s.equal(after, before)
	s.sound()
}

func lastUseOfNothing(s *suite) {
	alice := s.account("alice@a.example")
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutLastUse(alice, "k3x9qa", store.LastUse{}) }), store.ErrNotFound)
	nobody := s.address("nobody@a.example")
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutLastUse(nobody, store.PasswordAccess, store.LastUse{}) }), store.ErrNotFound)
}

func loginKey(s *suite) {
	s.view(func(tx store.Tx) error {
		_, err := tx.LoginKey()
		s.is(err, store.ErrNotFound)
		return nil
	})
	var first []byte
	s.update(func(tx store.Tx) (err error) { first, err = tx.LoginKey(); return err })
	s.view(func(tx store.Tx) error {
		again, err := tx.LoginKey()
		s.must(err)
		if len(again) != 32 || !bytes.Equal(again, first) || bytes.Equal(again, make([]byte, 32)) {
			s.Errorf("login keys %x and %x", first, again)
		}
		return nil
	})
	s.sound()
}
