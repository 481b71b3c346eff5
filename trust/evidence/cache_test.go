package evidence

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"postern/trust"
)

// AS-72: after a restart everything is there, and is verified again.
func TestAS72_CacheIsReadAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}, ocsp: []string{ocspAt}, aia: []string{aiaURL}})
		w, cache := newWeb(), newShelf()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		w.put(ocspAt, page{body: auth.ocsp(leaf, ocsp.Good, now, now.Add(aDay))})
		w.put(aiaURL, page{body: auth.Cert.Raw})
		k := &Keeper{Fetcher: w, Cache: cache}
		settled(t, k, leaf, auth.Cert, now)
		settledIssuers(t, k, leaf)
		synctest.Wait()
		before := k.Revocation(leaf, auth.Cert, now)
		k.Close()
		equalInt(t, "stored", len(cache.kept), 3)

		after := &Keeper{Fetcher: dead{}, Cache: cache}
		r, took := settled(t, after, leaf, auth.Cert, now)
		all, _ := settledIssuers(t, after, leaf)
		if r.Status != trust.NotRevoked || took != 0 || len(all.Certificates) != 1 {
			t.Errorf("%+v after %v, %+v", r, took, all)
		}
		if !r.Fetched.Equal(before.Fetched) {
			t.Errorf("fetched %v and %v", before.Fetched, r.Fetched)
		}
		after.Close()
	})
}

func TestAS72_CacheIsNotTrusted(t *testing.T) {
	now := time.Now()
	auth, other := newCA(t, now), newCA(t, now)
	leaf := auth.leaf(names{crl: []string{crlURL}})
	who := parties{issuer: auth.Cert}
	id := keyOf(crls, crlURL, who).String()
	for name, body := range map[string][]byte{
		"nothing":                {},
		"garbage":                []byte("garbage"),
		"no list":                auth.Cert.Raw,
		"another key's list":     who.pack(other.crl(now, now.Add(aDay))),
		"another issuer's":       parties{issuer: other.Cert}.pack(other.crl(now, now.Add(aDay))),
		"an answer of OCSP":      who.pack(auth.ocsp(leaf, ocsp.Good, now, now.Add(aDay))),
		"a list from the future": who.pack(auth.crl(now.Add(aDay), now.Add(2*aDay))),
	} {
		t.Run(name, func(t *testing.T) {
			cache := newShelf()
			cache.kept[id] = Stored{Key: id, Body: body, Fetched: now, Expires: now.Add(aDay), Used: now}
			k := &Keeper{Fetcher: newWeb(), Cache: cache}
			r, _ := settled(t, k, leaf, auth.Cert, now)
			k.Close()
			if r.Status != trust.RevocationUnknown {
				t.Errorf("%+v", r)
			}
			if len(cache.kept) != 0 {
				t.Error("it is still there")
			}
		})
	}
}

// What was used before a restart is refreshed after it, unasked.
func TestCP11_StoredListIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w, cache := newWeb(), newShelf()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w, Cache: cache}
		settled(t, k, leaf, auth.Cert, now)
		k.Close()
		after := &Keeper{Fetcher: w, Cache: cache}
		running(t, after)
		synctest.Wait()
		equalInt(t, "fetches", w.count(), 1)
		w.put(crlURL, page{body: auth.crl(now.Add(time.Hour), now.Add(2*aDay), leaf)})
		time.Sleep(aDay * 9 / 10)
		synctest.Wait()
		if r := after.Revocation(leaf, auth.Cert, time.Now()); r.Status != trust.IsRevoked {
			t.Errorf("%+v", r)
		}
		equalInt(t, "fetches", w.count(), 2)
	})
}

func TestCacheIsPruned(t *testing.T) {
	now := time.Now()
	cache := newShelf()
	put := func(k key, size int, unused time.Duration) string {
		cache.kept[k.String()] = Stored{Key: k.String(), Body: make([]byte, size), Used: now.Add(-unused)}
		return k.String()
	}
	crl := func(i int) key { return key{crls, fmt.Sprintf("http://c.example/%d", i), "aa"} }
	want := map[string]bool{
		put(crl(1), 100<<20, aDay):                                true,
		put(crl(2), 100<<20, 2*aDay):                              true,
		put(crl(3), 100<<20, 3*aDay):                              false, // too much
		put(crl(4), 1, 31*aDay):                                   false, // unused
		put(key{issuers, "http://a.example/1", ""}, 10<<20, 0):    true,
		put(key{issuers, "http://a.example/2", ""}, 10<<20, aDay): false, // more than its share
	}
	cache.kept["crl strange"] = Stored{Key: "crl strange", Used: now}
	// Another package's, which is neither counted nor touched.
	cache.kept["discovery"] = Stored{Key: "discovery", Body: make([]byte, 200<<20), Used: now.Add(-100 * aDay)}
	k := &Keeper{Cache: cache}
	k.begin()
	k.prune(t.Context())
	k.Close()
	for id, keep := range want {
		if _, ok := cache.kept[id]; ok != keep {
			t.Errorf("%s: kept %v", id, ok)
		}
	}
	equalInt(t, "bodies read", cache.loads, 0)
	if _, ok := cache.kept["crl strange"]; ok {
		t.Error("what nobody can read is kept")
	}
	if _, ok := cache.kept["discovery"]; !ok {
		t.Error("what is another's is removed")
	}
}

func TestUseIsWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w, cache := newWeb(), newShelf()
		w.put(crlURL, page{body: auth.crl(now, now.Add(6*aDay))})
		k := &Keeper{Fetcher: w, Cache: cache}
		running(t, k)
		settled(t, k, leaf, auth.Cert, now)
		for range 3 {
			time.Sleep(aDay)
			settled(t, k, leaf, auth.Cert, time.Now())
			time.Sleep(2 * tick)
			synctest.Wait()
			_ = cache.Each(t.Context(), func(s Stored) bool {
				if !s.Used.Equal(day(time.Now())) {
					t.Errorf("used %v, now %v", s.Used, time.Now())
				}
				return true
			})
		}
	})
}

func TestKeysOfTheCache(t *testing.T) {
	auth := newCA(t, time.Now())
	leaf := auth.leaf(names{})
	all := map[string]key{}
	for _, k := range []key{
		keyOf(issuers, aiaURL, parties{}), keyOf(crls, crlURL, parties{issuer: auth.Cert}), keyOf(crls, crlURL, parties{issuer: leaf}),
		keyOf(ocsps, crlURL, parties{cert: leaf, issuer: auth.Cert}), keyOf(ocsps, crlURL, parties{cert: auth.Cert, issuer: auth.Cert}),
	} {
		all[k.String()] = k
		if got, ok := parseKey(k.String()); !ok || got != k {
			t.Errorf("%q became %+v", k, got)
		}
	}
	equalInt(t, "keys", len(all), 5)
	longest := keyOf(ocsps, "http://a.example/"+strings.Repeat("x", maxURL-17), parties{cert: leaf, issuer: auth.Cert})
	if n := len(longest.String()); n > 1024 {
		t.Errorf("a key of %d octets", n)
	}
	for _, bad := range []string{"", "aia", "crl http://a", "x http://a b", "aia a b", "ocsp a b c"} {
		if k, ok := parseKey(bad); ok {
			t.Errorf("%q is %+v", bad, k)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	auth := newCA(f, time.Now())
	leaf := auth.leaf(names{})
	f.Add(string(crls), parties{issuer: auth.Cert}.pack([]byte("list")))
	f.Add(string(ocsps), parties{cert: leaf, issuer: auth.Cert}.pack([]byte("answer")))
	f.Add(string(issuers), auth.Cert.Raw)
	f.Fuzz(func(t *testing.T, of string, packed []byte) {
		k := key{kind: kind(of), url: aiaURL}
		if k.kind != issuers {
			k.who = parties{issuer: auth.Cert}.id()
		}
		p, body, err := unpack(k, packed)
		if err == nil && !bytes.Equal(p.pack(body), packed) {
			t.Fatal("it is not what it was")
		}
	})
}
