package store_test

import (
	"path/filepath"
	"testing"

	"postern/store"
	"postern/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		db, err := store.Create(filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()})
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}
