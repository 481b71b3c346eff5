package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"postern/mime"
	"postern/store"
)

// A store whose newest commit is torn opens as of the one before; what was torn
// of a commit that was under way takes nothing from it.
func TestTornStoresOpen(t *testing.T) {
	for k, domains := range map[tear]int{tornNext: 2, cutNext: 2, tornNewest: 1} {
		path, options := filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()}
		db, err := store.Create(path, options)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []mime.Domain{"a.example", "b.example"} {
			err = db.Update(t.Context(), func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: name}) })
			if err != nil {
				t.Fatal(err)
			}
		}
		err = db.Close()
		if err != nil {
			t.Fatal(err)
		}
		err = k.apply(path, rand.New(rand.NewPCG(1, 1)))
		if err != nil {
			t.Fatalf("%s: %v", k, err)
		}
		db, err = store.Open(path, options)
		if err != nil {
			t.Errorf("%s: %v", k, err)
			continue
		}
		if got := countDomains(t, db); got != domains {
			t.Errorf("%s: there are %d domains, want %d", k, got, domains)
		}
		_, err = db.Check(t.Context())
		if err != nil {
			t.Errorf("%s: %v", k, err)
		}
		_ = db.Close()
	}
}

func countDomains(t *testing.T, db *store.DB) int {
	t.Helper()
	count := 0
	err := db.View(context.Background(), func(tx store.Tx) error {
		all, err := tx.Domains()
		count = len(all)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return count
}
