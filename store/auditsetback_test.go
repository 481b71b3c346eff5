package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// harvest finds the sealed ends of a trail in the octets of a file, wherever they
// stand, as somebody without the keys finds them by their form.
func harvest(t *testing.T, ring *keyring, path string) map[uint64][]byte {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := len(mustSeal(t, ring))
	found := make(map[uint64][]byte)
	form := append(u32(ring.active), mustSeal(t, ring)[4])
	for at := 0; at+size <= len(file); at++ {
		next := bytes.Index(file[at:], form)
		if next < 0 {
			break
		}
		at += next
		if at+size > len(file) {
			break
		}
		head, err := ring.openHead(file[at : at+size])
		if err == nil {
			found[head.Number] = bytes.Clone(file[at : at+size])
		}
	}
	return found
}

func mustSeal(t *testing.T, ring *keyring) []byte {
	t.Helper()
	sealed, err := ring.sealHead(audit.Head{})
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// A file holds earlier ends of its trail, with a good MAC, in pages that are free.
// None of them fits the rest.
func TestATailCutOffUnderAnEarlierEndIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		forget func(path string) error // of the witness
		set    func(b *bolt.Tx) error
		want   audit.Fault
	}{
		"beside its witness": {func(string) error { return nil }, func(*bolt.Tx) error { return nil }, audit.WasTruncated},
		"without a witness":  {os.Remove, func(*bolt.Tx) error { return nil }, audit.HeadSetBack},
		"with the tracks counted down": {os.Remove, func(b *bolt.Tx) error {
			return in(b, bucketTracks).SetSequence(0)
		}, audit.HeadSetBack},
		"beside a witness of nobody": {func(path string) error {
			return os.WriteFile(path, text(200), 0o600)
		}, func(*bolt.Tx) error { return nil }, audit.HeadSetBack},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.audited(t, 10)
			s.checkpoint(t)
			s.audited(t, 20)
			s.checkpoint(t)
			s.reopen(t)
			if got := s.verify(t); got.Problem != nil || got.Witness != 30 {
				t.Fatalf("%+v", got)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			heads := harvest(t, s.ring.Load(), s.path)
			last := uint64(29)
			for last > 10 && heads[last] == nil {
				last--
			}
			if last == 10 {
				t.Fatalf("no earlier end is in the file, of %d", len(heads))
			}
			b, err := bolt.Open(s.path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = b.Update(func(b *bolt.Tx) error {
				return errors.Join(cutAudit(b, bucketAudit, last+1), cutAudit(b, bucketCheckpoints, 11), tt.set(b),
					in(b, bucketMeta).Put([]byte(metaAuditHead), heads[last]))
			})
			err = errors.Join(err, b.Close(), tt.forget(witnessOf(s.path)))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // opening the store mends nothing of it
				s.DB, err = Open(s.path, s.options)
				if err != nil {
					t.Fatal(err)
				}
				got := s.verify(t)
				if got.Problem == nil || got.Problem.Kind != tt.want {
					t.Errorf("%v", got.Problem)
				}
				if len(s.problems(t)) == 0 {
					t.Error("check found nothing")
				}
				wantError(t, s.Update(context.Background(), func(tx Tx) error { return tx.Audit(audit.Record{}) }), ErrCorrupt)
				s.add(t, text(10))
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// A store that was set back as a whole is found by what is beside it.
func TestTheWitnessTellsOfAStoreThatWasSetBack(t *testing.T) {
	s := newTestStore(t, Options{})
	s.audited(t, 5)
	s.reopen(t)
	before, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.audited(t, 5)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	want := audit.Problem{Kind: audit.WasTruncated, From: 6, To: 10}
	for _, more := range []int{3, 4, 1} { // it goes on as if nothing had been
		s.DB, err = Open(s.path, s.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.verify(t).Problem; got == nil || *got != want {
			t.Errorf("%v", got)
		}
		s.audited(t, more)
		s.checkpoint(t)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want = audit.Problem{Kind: audit.WasTruncated, From: 9, To: 10}
		if more == 4 {
			want = audit.Problem{Kind: audit.WasRewritten, From: 9, To: 10}
		}
	}
}

// An upgrade changes what the end of the trail says of the store, and seals it anew;
// an end that did not fit before goes on not to fit.
func TestAnUpgradeCarriesTheEndOfTheTrailOn(t *testing.T) {
	for name, whole := range map[string]bool{"of a whole store": true, "of one that was set back": false} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.audited(t, 5)
			ring := s.ring.Load()
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			b, err := bolt.Open(s.path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if !whole {
				err = b.Update(func(tx *bolt.Tx) error { return in(tx, bucketTracks).SetSequence(7) })
			}
			next := append(migrations(), func(tx *bolt.Tx) error { return createBuckets(tx, "of the next schema") })
			err = errors.Join(err, upgrade(b, s.options.MasterKey, next))
			if err != nil {
				t.Fatal(err)
			}
			err = b.View(func(tx *bolt.Tx) error {
				version, err := readSchema(tx)
				if version != schemaVersion+1 {
					t.Errorf("schema %d", version)
				}
				if ring.headFits(tx, stateOf(tx)) != whole {
					t.Errorf("the end fits: %v, want %v", !whole, whole)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
