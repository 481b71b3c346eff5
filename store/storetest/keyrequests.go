package storetest

import (
	"slices"

	"postern/store"
)

func keyRequestTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"KeyRequestsComeAndGo":                  keyRequests,
		"KeyRequestsMoveTheGeneration":          keyRequestGeneration,
		"KeyRequestsNeedAnIDAnOwnerAndAKey":     keyRequestsWhole,
		"RemoveDomainTakesKeyRequestsAlong":     keyRequestsOfDomain,
		"RemoveAccountTakesItsKeyRequestsAlong": keyRequestsOfAccount,
		"AViewChangesNoKeyRequest":              keyRequestsReadOnly,
	}
}

func newKeyRequest(owner string) store.KeyRequest {
	return store.KeyRequest{ID: store.FingerprintOf([]byte("public key of " + owner)), Owner: owner,
		PKCS8: []byte("private key of " + owner), Created: noon()}
}

func putKeyRequests(owners ...string) func(store.Tx) error {
	return func(tx store.Tx) error {
		for _, owner := range owners {
			err := tx.PutKeyRequest(newKeyRequest(owner))
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// waiting is the owners of the key requests.
func (s *suite) waiting() (owners []string) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		all, err := tx.KeyRequests()
		for _, r := range all {
			owners = append(owners, r.Owner)
		}
		return err
	})
	slices.Sort(owners)
	return owners
}

func keyRequests(s *suite) {
	one, other := newKeyRequest("doctor@b.example"), newKeyRequest("b.example")
	put := one
	put.Owner = "Doctor@B.example"
	s.update(func(tx store.Tx) error {
		s.must(tx.PutKeyRequest(put))
		return tx.PutKeyRequest(other)
	})
	s.view(func(tx store.Tx) error {
		got, err := tx.KeyRequest(one.ID)
		s.equal(got, one)
		return err
	})
	s.equal(s.waiting(), []string{"b.example", "doctor@b.example"})
	remove := func(tx store.Tx) error { return tx.RemoveKeyRequest(one.ID) }
	s.update(remove)
	s.is(s.Update(s.ctx, remove), store.ErrNotFound)
	s.view(func(tx store.Tx) error {
		_, err := tx.KeyRequest(one.ID)
		s.is(err, store.ErrNotFound)
		return nil
	})
	s.equal(s.waiting(), []string{"b.example"})
}

func keyRequestGeneration(s *suite) {
	var before, after uint64
	read := func(n *uint64) func(store.Tx) error {
		return func(tx store.Tx) (err error) {
			*n, err = tx.Generation()
			return err
		}
	}
	s.view(read(&before))
	s.update(putKeyRequests("b.example"))
	s.view(read(&after))
	if after <= before {
		s.Errorf("generation %d after %d", after, before)
	}
}

func keyRequestsWhole(s *suite) {
	for what, spoil := range map[string]func(*store.KeyRequest){
		"no id":               func(r *store.KeyRequest) { r.ID = store.Fingerprint{} },
		"no owner":            func(r *store.KeyRequest) { r.Owner = "" },
		"no key":              func(r *store.KeyRequest) { r.PKCS8 = nil },
		"an owner with a NUL": func(r *store.KeyRequest) { r.Owner = "a\x00b" },
	} {
		r := newKeyRequest("b.example")
		spoil(&r)
		err := s.Update(s.ctx, func(tx store.Tx) error { return tx.PutKeyRequest(r) })
		if err == nil {
			s.Errorf("a key request with %s was put", what)
		}
	}
}

func keyRequestsOfDomain(s *suite) {
	s.update(putDomain("a.example"))
	s.update(putKeyRequests("a.example", "x@a.example", "b.a.example", "x@b.a.example", "ba.example"))
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.equal(s.waiting(), []string{"b.a.example", "ba.example", "x@b.a.example"})
}

func keyRequestsOfAccount(s *suite) {
	a := store.Account{Address: s.address("Doctor@b.example")}
	s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	s.update(putKeyRequests("doctor@b.example", "b.example", "doctor2@b.example"))
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(a.Address) })
	s.equal(s.waiting(), []string{"b.example", "doctor2@b.example"})
}

func keyRequestsReadOnly(s *suite) {
	r := newKeyRequest("b.example")
	s.update(putKeyRequests("b.example"))
	s.view(func(tx store.Tx) error {
		s.is(tx.PutKeyRequest(r), store.ErrReadOnly)
		s.is(tx.RemoveKeyRequest(r.ID), store.ErrReadOnly)
		return nil
	})
}
