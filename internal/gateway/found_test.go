package gateway

import (
	"path/filepath"
	"testing"
	"time"

	"postern/store"
)

// What discovery found lies in the store, dated by the gateway's clock.
func TestWhatDiscoveryFoundIsKept(t *testing.T) {
	db, err := store.Create(filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	d := foundDocument{&Core{Store: db, Now: func() time.Time { return now }}}
	got, err := d.Load(t.Context())
	if len(got) > 0 || err != nil {
		t.Fatalf("before anything was saved: %q, %v", got, err)
	}
	err = d.Save(t.Context(), []byte("what was found"))
	if err != nil {
		t.Fatal(err)
	}
	got, err = d.Load(t.Context())
	if string(got) != "what was found" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	kept, _, err := Documents{db}.Load(t.Context(), foundKey)
	if !kept.Fetched.Equal(now) || err != nil {
		t.Errorf("fetched %v, %v", kept.Fetched, err)
	}
}
