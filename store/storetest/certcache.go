package storetest

import (
	"bytes"
	"time"

	"postern/store"
)

func certCacheTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"CertCacheIsKept":    keepCertCache,
		"CertCacheIsBounded": boundCertCache,
	}
}

func keepCertCache(s *suite) {
	first := store.CertCache{Name: "certificate", Changed: noon(), Data: []byte("a key")}
	second := store.CertCache{Name: "certificate", Changed: noon().Add(time.Hour), Data: []byte("another key")}
	other := store.CertCache{Name: "account/x", Changed: noon(), Data: []byte("an account")}
	s.view(func(tx store.Tx) error {
		_, err := tx.CertCache("certificate")
		s.is(err, store.ErrNotFound)
		s.is(tx.PutCertCache(first), store.ErrReadOnly)
		s.is(tx.RemoveCertCache("certificate"), store.ErrReadOnly)
		return nil
	})
	s.update(func(tx store.Tx) error {
		s.must(tx.PutCertCache(other))
		return tx.PutCertCache(first)
	})
	s.update(func(tx store.Tx) error { return tx.PutCertCache(second) })
	s.view(func(tx store.Tx) error {
		got, err := tx.CertCache("certificate")
		s.equal(got, second)
		return err
	})
	s.sound()
	s.update(func(tx store.Tx) error {
		s.must(tx.RemoveCertCache("certificate"))
		s.is(tx.RemoveCertCache("certificate"), store.ErrNotFound)
		got, err := tx.CertCache("account/x")
		s.equal(got, other)
		return err
	})
	s.sound()
}

func boundCertCache(s *suite) {
	for _, c := range []store.CertCache{
		{Data: []byte("no name")},
		{Name: "nothing"},
		{Name: "a\x00b", Data: []byte("d")},
		{Name: "large", Data: bytes.Repeat([]byte("d"), store.MaxCertCache+1)},
	} {
		if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutCertCache(c) }) == nil {
			s.Errorf("%q with %d octets was taken", c.Name, len(c.Data))
		}
	}
}
