package control

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/gateway/care"
	"postern/store"
	"postern/store/storetest"
)

// A sickStore has one record, of what it names, that cannot be read.
type sickStore struct {
	store.Store
	of string
}

type sickTx struct {
	store.Tx
	of string
}

func (s sickStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(sickTx{tx, s.of}) })
}

func (t sickTx) EachJob(from store.JobID, fn func(store.Job) bool) error {
	if t.of == "jobs" {
		return fmt.Errorf("%w: a record of jobs", store.ErrCorrupt)
	}
	return t.Tx.EachJob(from, fn)
}

func (t sickTx) Generation() (uint64, error) {
	if t.of == "meta" {
		return 0, fmt.Errorf("%w: the generation of the directory", store.ErrCorrupt)
	}
	return t.Tx.Generation()
}

// Where it cannot be read what waits, nothing goes unless it is said to go all the same.
func TestDN8_NothingGoesUnseen(t *testing.T) {
	for _, of := range []string{"jobs", "meta"} {
		t.Run(of, func(t *testing.T) {
			const bob = "bob@a.example"
			s := ours(t, "a.example", "b.example")
			ctx := t.Context()
			must(t, s.AddAccount(ctx, bob, []byte("correct horse battery")))
			must(t, s.AddAlias(ctx, "dr@a.example", bob))
			s.enqueue(t, store.Job{Kind: store.OpenJob, Recipients: addresses(t, "alice@a.example")})
			s.core.Store = sickStore{s.core.Store, of}
			_, err := s.RemoveDomain(ctx, "b.example", false)
			isRefused(t, "domain", err, Negative)
			isRefused(t, "alias", s.RemoveAlias(ctx, "dr@a.example", false), Negative)
			_, err = s.RemoveAccount(ctx, bob, false)
			isRefused(t, "account", err, Negative)
			if !strings.Contains(err.Error(), "cannot be read: ") {
				t.Errorf("it says %v", err)
			}
			got, err := s.RemoveAccount(ctx, bob, true)
			must(t, err)
			if got.Waiting != nil {
				t.Errorf("what waits is told: %+v", got.Waiting)
			}
		})
	}
}

// What waits for the mend of a damaged record keeps that record from going unsaid.
func TestDN8_NothingDamagedGoesThatIsWaitedFor(t *testing.T) {
	const bob, dr = "bob@a.example", "dr@a.example"
	for _, damaged := range []string{bob, dr} {
		t.Run(damaged, func(t *testing.T) {
			s := ours(t, "a.example")
			ctx := t.Context()
			must(t, s.AddAccount(ctx, bob, []byte("correct horse battery")))
			must(t, s.AddAlias(ctx, dr, bob))
			_, err := s.IssueCertificate(ctx, KeyOrder{Owner: "a.example"})
			must(t, err)
			s.enqueue(t, store.Job{Kind: store.OpenJob, Recipients: addresses(t, damaged)})
			storetest.Damage(t, filepath.Join(s.dir, care.StoreFile), `{"address":"`+damaged+`"`, "")
			must(t, s.AddAccount(ctx, "carol@a.example", []byte("correct horse battery"))) // the directory is read anew
			remove := func(untold bool) error {
				_, err := s.RemoveAccount(ctx, bob, untold)
				return err
			}
			if damaged == dr {
				remove = func(untold bool) error { return s.RemoveAlias(ctx, dr, untold) }
			}
			err = remove(false)
			isRefused(t, "it", err, Negative)
			if !strings.Contains(err.Error(), "1 in all") {
				t.Errorf("it says %v", err)
			}
			must(t, remove(true))
		})
	}
}
