package gateway

import (
	"crypto/x509"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/internal/testnet"
	"postern/store"
	"postern/trust"
	"postern/trust/evidence"
)

// AS-72: lists and answers are in the store over a restart, also when their
// server is gone.
func TestAS72_RevocationIsKeptInTheStore(t *testing.T) {
	now := time.Now()
	authority := testnet.NewPKI(t, now).Root("authority")
	list, err := x509.CreateRevocationList(nil, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now.Add(-time.Hour), NextUpdate: now.Add(24 * time.Hour)}, authority.Cert, authority.Key)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(list)
	}))
	defer server.Close()
	leaf := authority.Leaf("alice@a.example", testnet.Template(func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{server.URL + "/a.crl"}
	})).Cert

	path, options := filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()}
	db, err := store.Create(path, options)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(s store.Store) trust.Revocation {
		k := &evidence.Keeper{Fetcher: &fetch.Client{Network: guard.Policy{AllowPrivate: true}}, Cache: Documents{s}}
		defer k.Close()
		r := k.Revocation(leaf, authority.Cert, now)
		for r.Pending != nil {
			<-r.Pending
			r = k.Revocation(leaf, authority.Cert, now)
		}
		return r
	}
	before := ask(db)
	equal(t, "status", before.Status, trust.NotRevoked)
	err = db.Close()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	db, err = store.Open(path, options)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	after := ask(db)
	equal(t, "status", after.Status, trust.NotRevoked)
	equal(t, "fetched", after.Fetched.Equal(before.Fetched), true)
	equal(t, "asked", asked.Load(), 1)
}

func TestDocumentsOfTheStore(t *testing.T) {
	db, err := store.Create(filepath.Join(t.TempDir(), "store.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d, ctx := Documents{db}, t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, ok, err := d.Load(ctx, "crl a b")
	equal(t, "there", ok, false)
	must(err)
	must(d.Touch(ctx, "crl a b", time.Now()))
	must(d.Remove(ctx, "crl a b"))
	now := time.Now().UTC()
	s := evidence.Stored{Key: "crl a b", Body: []byte("body"), Size: 4, Fetched: now, Expires: now.Add(time.Hour), Used: now}
	must(d.Save(ctx, s))
	s.Used = now.Add(time.Minute)
	must(d.Touch(ctx, s.Key, s.Used))
	got, ok, err := d.Load(ctx, s.Key)
	must(err)
	equal(t, "there", ok, true)
	equal(t, "document", got, s)
	var all []evidence.Stored
	must(d.Each(ctx, func(s evidence.Stored) bool {
		all = append(all, s)
		return true
	}))
	s.Body = nil
	equal(t, "listed", all, []evidence.Stored{s})
	must(d.Remove(ctx, s.Key))
	_, ok, err = d.Load(ctx, s.Key)
	must(err)
	equal(t, "there", ok, false)
}
