package storetest

import (
	"slices"
	"strings"
	"time"

	"postern/store"
)

func documentTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"DocumentsComeAndGo":                   documents,
		"DocumentsAreNotPartOfTheDirectory":    documentsApart,
		"KeysOfDocumentsAreChecked":            documentKeys,
		"DocumentsAreListedWithoutTheirBodies": documentsListed,
		"DocumentsAreCopies":                   documentCopies,
		"ATouchLeavesTheBodyAlone":             documentTouched,
		"AViewChangesNoDocument":               documentsReadOnly,
	}
}

func newDocument(key string) store.Document {
	body := []byte("body of " + key)
	return store.Document{Key: key, Body: body, Size: int64(len(body)), Fetched: noon(),
		Expires: noon().Add(time.Hour), Used: noon()}
}

func documents(s *suite) {
	one, other := newDocument("http://a.example/1.crl"), newDocument("http://b.example/1.crl")
	s.update(func(tx store.Tx) error {
		s.must(tx.PutDocument(one))
		return tx.PutDocument(other)
	})
	one.Body, one.Size, one.Expires = nil, 0, noon().Add(2*time.Hour) // an empty one replaces it
	s.update(func(tx store.Tx) error { return tx.PutDocument(one) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Document(one.Key)
		s.must(err)
		s.equal(got, one)
		got, err = tx.Document(other.Key)
		s.equal(got, other)
		return err
	})
	remove := func(tx store.Tx) error { return tx.RemoveDocument(one.Key) }
	s.update(remove)
	s.is(s.Update(s.ctx, remove), store.ErrNotFound)
	s.view(func(tx store.Tx) error {
		_, err := tx.Document(one.Key)
		s.is(err, store.ErrNotFound)
		_, err = tx.Document(other.Key)
		return err
	})
	s.sound()
}

func documentsApart(s *suite) {
	generation := func() (n uint64) {
		s.view(func(tx store.Tx) (err error) {
			n, err = tx.Generation()
			return err
		})
		return n
	}
	before := generation()
	s.update(func(tx store.Tx) error { return tx.PutDocument(newDocument("x")) })
	s.update(func(tx store.Tx) error { return tx.RemoveDocument("x") })
	s.equal(generation(), before)
}

func documentKeys(s *suite) {
	for _, key := range []string{"", "a\x00b", strings.Repeat("k", 1025)} {
		err := s.Update(s.ctx, func(tx store.Tx) error { return tx.PutDocument(store.Document{Key: key}) })
		if err == nil {
			s.Errorf("a document with the key %q was put", key)
		}
	}
}

func documentsListed(s *suite) {
	s.update(func(tx store.Tx) error {
		for _, key := range []string{"c", "a", "b"} {
			s.must(tx.PutDocument(newDocument(key)))
		}
		return nil
	})
	list := func(most int) (keys []string) {
		s.view(func(tx store.Tx) error {
			return tx.EachDocument(func(d store.Document) bool {
				if d.Body != nil {
					s.Errorf("%s is listed with its body", d.Key)
				}
				s.equal(d.Size, int64(len("body of "+d.Key)))
				s.equal(d.Expires, noon().Add(time.Hour))
				keys = append(keys, d.Key)
				return len(keys) < most
			})
		})
		slices.Sort(keys)
		return keys
	}
	s.equal(list(10), []string{"a", "b", "c"})
	s.equal(len(list(2)), 2)
}

func documentCopies(s *suite) {
	s.update(func(tx store.Tx) error { return tx.PutDocument(newDocument("x")) })
	var got store.Document
	s.view(func(tx store.Tx) (err error) {
		got, err = tx.Document("x")
		return err
	})
	got.Body[0] = '!'
	s.view(func(tx store.Tx) error {
		again, err := tx.Document("x")
		s.equal(again, newDocument("x"))
		return err
	})
}

func documentTouched(s *suite) {
	one := newDocument("x")
	s.update(func(tx store.Tx) error { return tx.PutDocument(one) })
	one.Used = noon().Add(24 * time.Hour)
	s.update(func(tx store.Tx) error { return tx.TouchDocument("x", one.Used) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Document("x")
		s.equal(got, one)
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.TouchDocument("y", noon()) }), store.ErrNotFound)
	s.sound()
}

func documentsReadOnly(s *suite) {
	s.update(func(tx store.Tx) error { return tx.PutDocument(newDocument("x")) })
	s.view(func(tx store.Tx) error {
		s.is(tx.PutDocument(newDocument("y")), store.ErrReadOnly)
		s.is(tx.RemoveDocument("x"), store.ErrReadOnly)
		s.is(tx.TouchDocument("x", noon()), store.ErrReadOnly)
		return nil
	})
}
