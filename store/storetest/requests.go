package storetest

import (
	"time"

	"postern/store"
)

func requestTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"ARequestIsRemembered":      rememberRequest,
		"RequestsAreOfTheirAccount": requestKeys,
		"OldRequestsAreForgotten":   forgetRequests,
	}
}

func rememberRequest(s *suite) {
	key := store.NewRequestKey(store.Account{Address: s.address("a@a.example")}, "k")
	first := store.Request{Digest: store.Fingerprint{1}, At: noon(), Track: newTrackID(s, noon()), MessageID: "<1@a.example>"}
	second := store.Request{Digest: store.Fingerprint{2}, At: noon().Add(time.Hour), Track: newTrackID(s, noon())}
	if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutRequest(key, store.Request{Track: "x"}) }) == nil {
		s.Error("a request of no track was taken")
	}
	s.view(func(tx store.Tx) error {
		_, err := tx.Request(key)
		s.is(err, store.ErrNotFound)
		s.is(tx.PutRequest(key, first), store.ErrReadOnly)
		return nil
	})
	for _, r := range []store.Request{first, second} {
		s.update(func(tx store.Tx) error { return tx.PutRequest(key, r) })
		s.view(func(tx store.Tx) error {
			got, err := tx.Request(key)
			s.equal(got, r)
			return err
		})
		s.sound()
	}
}

func requestKeys(s *suite) {
	a, b := store.Account{Address: s.address("a@a.example")}, store.Account{Address: s.address("b@b.example")}
	next := a // who has the address next
	next.Era = 1
	keys := map[store.RequestKey]bool{
		store.NewRequestKey(a, "k"): true, store.NewRequestKey(b, "k"): true,
		store.NewRequestKey(a, "K"): true, store.NewRequestKey(a, ""): true,
		store.NewRequestKey(next, "k"): true,
	}
	s.equal(len(keys), 5)
	if !keys[store.NewRequestKey(store.Account{Address: s.address("A@a.example")}, "k")] {
		s.Error("the case of an address counts")
	}
}

func forgetRequests(s *suite) {
	keys := make([]store.RequestKey, 5)
	s.update(func(tx store.Tx) error {
		for i := range keys {
			keys[i] = store.NewRequestKey(store.Account{Address: s.address("a@a.example")}, string(rune('a'+i)))
			s.must(tx.PutRequest(keys[i], store.Request{Track: newTrackID(s, noon()), At: noon().Add(time.Duration(i) * time.Hour)}))
		}
		return nil
	})
	s.forgetsThree(func(tx store.Tx, before time.Time, most int) (int, error) { return tx.ForgetRequests(before, most) })
	s.view(func(tx store.Tx) error {
		for i, k := range keys {
			_, err := tx.Request(k)
			if (err == nil) != (i >= 3) {
				s.Errorf("request %d: %v", i, err)
			}
		}
		return nil
	})
}
