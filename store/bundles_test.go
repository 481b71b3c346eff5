package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// FuzzBundleSet: what decodes encodes to the same, and what does not is damage.
func FuzzBundleSet(f *testing.F) {
	f.Add(NewBundleSet([]BundleAnchor{{Certificate: []byte("one"), Policies: []string{"1.2", "1.3"}}, {Certificate: []byte("two")}}).value[32:])
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, ' '})
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		anchors, err := decodeBundleAnchors(data)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%x: %v", data, err)
			}
			return
		}
		again := NewBundleSet(anchors)
		if !bytes.Equal(again.value[32:], data) {
			t.Errorf("%x became %x", data, again.value[32:])
		}
		_, err = decodeBundleSet(again.value)
		if err != nil {
			t.Errorf("%x: with its hash: %v", data, err)
		}
	})
}

func TestBundleSets(t *testing.T) {
	empty := NewBundleSet(nil)
	one := NewBundleSet([]BundleAnchor{{Certificate: []byte("one")}})
	seen := make(map[Fingerprint]bool)
	for _, s := range []BundleSet{
		empty, one,
		NewBundleSet([]BundleAnchor{{Certificate: []byte("one"), Policies: []string{"1.2"}}}),
		NewBundleSet([]BundleAnchor{{Certificate: []byte("one"), Policies: []string{"1.2", "1.3"}}}),
		NewBundleSet([]BundleAnchor{{Certificate: []byte("one")}, {Certificate: []byte("two")}}),
		NewBundleSet([]BundleAnchor{{Certificate: []byte("two")}, {Certificate: []byte("one")}}),
		NewBundleSet([]BundleAnchor{{Certificate: []byte("onetwo")}}),
	} {
		if seen[s.Content()] {
			t.Errorf("%x has the content of another", s.value)
		}
		seen[s.Content()] = true
	}
	if (BundleSet{}).Content() != empty.Content() {
		t.Error("the zero set is not the empty one")
	}
}

// Any octet of a stored set that is another is seen, by those who read it and by
// Check, and so is a set without its bundle.
func TestDamagedBundleSets(t *testing.T) {
	set := NewBundleSet([]BundleAnchor{{Certificate: testCertificate(t, "c"), Policies: []string{"1.2.3"}}})
	bundles := func(tx *bolt.Tx) *bolt.Bucket { return in(tx, bucketBundleAnchors) }
	damages := map[string]func(tx *bolt.Tx) error{
		"empty":   func(tx *bolt.Tx) error { return bundles(tx).Bucket([]byte("b")).Put([]byte(aloneKey), nil) },
		"missing": func(tx *bolt.Tx) error { return bundles(tx).Bucket([]byte("b")).Delete([]byte(aloneKey)) },
		"of nobody": func(tx *bolt.Tx) error {
			_, err := bundles(tx).CreateBucket([]byte("c"))
			return err
		},
	}
	for i := 0; i < len(set.value); i += 40 {
		damages[fmt.Sprintf("octet %d", i)] = func(tx *bolt.Tx) error {
			other := bytes.Clone(set.value)
			other[i] ^= 4
			return bundles(tx).Bucket([]byte("b")).Put([]byte(aloneKey), other)
		}
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			err := s.Update(context.Background(), func(tx Tx) error {
				return errors.Join(tx.PutBundle(Bundle{Name: "b"}), tx.PutBundleAnchors("b", set))
			})
			if err != nil {
				t.Fatal(err)
			}
			s.sound(t)
			s.raw(t, damage)
			if len(s.problems(t)) == 0 {
				t.Error("Check sees nothing")
			}
			err = s.View(context.Background(), func(tx Tx) error {
				got, _, err := tx.BundleAnchors("b")
				if err == nil && name != "of nobody" && len(got) > 0 {
					t.Errorf("read as %+v", got)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A set is copied out of the transaction.
func TestBundleAnchorsAreCopies(t *testing.T) {
	s := newTestStore(t, Options{})
	want := []BundleAnchor{{Certificate: []byte("one"), Policies: []string{"1.2"}}}
	var got []BundleAnchor
	err := s.Update(context.Background(), func(tx Tx) error {
		return errors.Join(tx.PutBundle(Bundle{Name: "b"}), tx.PutBundleAnchors("b", NewBundleSet(want)))
	})
	if err == nil {
		err = s.View(context.Background(), func(tx Tx) (err error) {
			got, _, err = tx.BundleAnchors("b")
			return err
		})
	}
	if err == nil {
		got[0].Certificate[0] = 'O' // would fault in the mapping
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	got[0].Certificate[0] = 'o'
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// BenchmarkPutBundleAnchors is how long the writer is held by a set of 10,000
// anchors, and how long the making of the set takes before.
func BenchmarkPutBundleAnchors(b *testing.B) {
	for _, others := range []int{0, 3} {
		b.Run(fmt.Sprintf("others=%d", others), func(b *testing.B) {
			s := newTestStore(b, Options{})
			anchors := make([]BundleAnchor, 10_000)
			for i := range anchors {
				anchors[i].Certificate = text(1200)
			}
			put := func(name string, set BundleSet) {
				err := s.Update(context.Background(), func(tx Tx) error {
					return errors.Join(tx.PutBundle(Bundle{Name: name}), tx.PutBundleAnchors(name, set))
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for i := range others {
				put(fmt.Sprintf("other%d", i), NewBundleSet(anchors))
			}
			for b.Loop() {
				b.StopTimer()
				set := NewBundleSet(anchors)
				b.StartTimer()
				put("huge", set)
			}
		})
	}
	b.Run("making", func(b *testing.B) {
		anchors := make([]BundleAnchor, 10_000)
		for i := range anchors {
			anchors[i].Certificate = text(1200)
		}
		for b.Loop() {
			NewBundleSet(anchors)
		}
	})
}
