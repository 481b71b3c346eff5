package evidence

import (
	"context"
	"crypto/x509"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/fetch"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// holes is a network where nobody answers but one.
type holes struct{ *web }

func (h holes) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	if r.URL == aiaURL {
		return h.web.Do(ctx, r)
	}
	return dead{}.Do(ctx, r)
}

// flood is what one message causes whose certificates name places that hang.
func flood(k *Keeper, cert *x509.Certificate, n *int) {
	for range 8 {
		var all []string
		for range 4 {
			*n++
			all = append(all, fmt.Sprintf("http://h%d.evil.example/", *n))
		}
		k.Issuers(naming(cert, all...))
	}
}

// AS-70: a flood of URLs that hang keeps nobody from an issuer.
func TestAS70_FloodIsNotWaitedBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		leaf := auth.leaf(names{aia: []string{aiaURL}})
		w := newWeb()
		w.put(aiaURL, page{body: auth.Cert.Raw, after: time.Second})
		k := &Keeper{Fetcher: holes{w}}
		defer k.Close()
		n, done := 0, make(chan struct{})
		go func() {
			defer close(done)
			for range 300 {
				flood(k, auth.Cert, &n)
				time.Sleep(time.Second)
			}
		}()
		time.Sleep(200 * time.Second)
		got, took := settledIssuers(t, k, leaf)
		if len(got.Certificates) != 1 || took > 2*time.Second {
			t.Errorf("after %v: %+v", took, got)
		}
		<-done
		time.Sleep(issuerTime)
	})
}

// And if it is so large that it fills every place, the newest question is the
// next.
func TestAS70_NewestQuestionIsTheNext(t *testing.T) {
	l := newLanes()[issuers]
	of := func(rank int) *flight { return &flight{rank: rank} }
	a, b, c, d := of(0), of(1), of(0), of(1)
	l.add(a)
	l.add(b)
	l.add(c)
	l.add(d)
	if l.queue[0] != c || l.queue[1] != a || l.queue[2] != d || l.queue[3] != b {
		t.Errorf("%v", l.queue)
	}
	for range maxQueue - 4 {
		l.add(of(0))
	}
	if gone := l.add(of(1)); gone != b || len(l.queue) != maxQueue {
		t.Errorf("given up %+v of %d", gone, len(l.queue))
	}
	l.running = l.wide / 4
	equalInt(t, "seconds", int(l.timeOfNext()/time.Second), 3)
}

// AS-72: what a flood has pushed out of memory comes from the cache, and not from
// the network.
func TestAS72_WhatAFloodForgotIsInTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		leaf := auth.leaf(names{aia: []string{aiaURL}})
		w := newWeb()
		w.put(aiaURL, page{body: auth.Cert.Raw})
		k := &Keeper{Fetcher: holes{w}, Cache: newShelf()}
		defer k.Close()
		settledIssuers(t, k, leaf)
		n := 0
		for n < 5*maxEntries/2 { // half of them are asked
			flood(k, auth.Cert, &n)
			time.Sleep(100 * time.Millisecond)
		}
		k.mu.Lock()
		_, there := k.strange.byKey[keyOf(issuers, aiaURL, parties{})]
		k.mu.Unlock()
		got, took := settledIssuers(t, k, leaf)
		if there || len(got.Certificates) != 1 || took != 0 || w.count() != 1 {
			t.Errorf("forgotten %v, %d fetches, after %v: %+v", !there, w.count(), took, got)
		}
		time.Sleep(issuerTime)
	})
}

// What is neither in memory nor in the cache is fetched in one wait.
func TestForgottenIssuersAreFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		w := newWeb()
		w.put(aiaURL, page{body: auth.Cert.Raw, after: time.Second})
		k := &Keeper{Fetcher: w, Cache: newShelf()}
		defer k.Close()
		k.begin()
		k.strange.lost = true
		leaf := auth.leaf(names{aia: []string{aiaURL}})
		<-k.Issuers(leaf).Pending
		if got := k.Issuers(leaf); len(got.Certificates) != 1 || got.Pending != nil {
			t.Errorf("%+v", got)
		}
	})
}

// AS-70: what has no certificate of the issuer, be it there by a mistake or put
// there by somebody on the way, refuses nobody for long.
func TestAS70_UselessIssuerIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		sub := auth.Intermediate("sub")
		leaf := sub.Leaf("alice@a.example", names{aia: []string{aiaURL}}.option())
		rekeyed := newCA(t, now).Intermediate("sub")
		addr, err := mime.ParseAddress("alice@a.example")
		if err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string][]byte{
			"another's": newCA(t, now).Cert.Raw, "of another key": rekeyed.Cert.Raw, "a page": []byte("<html>"),
		} {
			w, cache := newWeb(), newShelf()
			w.put(aiaURL, page{body: body, fresh: 7 * aDay})
			k := &Keeper{Fetcher: w, Cache: cache}
			judge := func() trust.Verdict {
				for {
					v := trust.Judge(trust.Params{Certificate: leaf.Cert, Purpose: trust.Sign, Address: addr, At: time.Now(),
						Anchors: trust.NewAnchors([]*x509.Certificate{auth.Cert}), Evidence: k})
					if v.Pending == nil {
						return v
					}
					<-v.Pending
				}
			}
			if v := judge(); v.Code != reason.IssuerDown {
				t.Errorf("%s: %s: %s", name, v.Code, v.Detail)
			}
			for range 100 {
				judge()
			}
			synctest.Wait()
			equalInt(t, name+": fetches", w.count(), 1)
			equalInt(t, name+": kept", len(cache.kept), 0)
			w.put(aiaURL, page{body: sub.Cert.Raw})
			time.Sleep(uselessPause)
			judge() // what failed before is not waited for
			synctest.Wait()
			if v := judge(); !v.Code.IsOK() {
				t.Errorf("%s: %s: %s", name, v.Code, v.Detail)
			}
			synctest.Wait()
			equalInt(t, name+": fetches", w.count(), 2)
			equalInt(t, name+": kept", len(cache.kept), 1)
			k.Close()
		}
	})
}

// A URL that serves one certificate and not another is useless to the latter
// alone.
func TestIssuersServeWhomTheyServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth, other := newCA(t, time.Now()), newCA(t, time.Now())
		n := names{aia: []string{aiaURL}}
		good, bad := auth.leaf(n), other.leaf(n)
		w := newWeb()
		w.put(aiaURL, page{body: auth.Cert.Raw})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		for range 60 {
			if got, _ := settledIssuers(t, k, bad); len(got.Certificates) != 0 || !got.Down {
				t.Fatalf("%+v", got)
			}
			if got, took := settledIssuers(t, k, good); len(got.Certificates) != 1 || took != 0 {
				t.Fatalf("%+v", got)
			}
			time.Sleep(time.Minute)
		}
		if w.count() > 31 {
			t.Errorf("%d fetches in an hour", w.count())
		}
	})
}

// CP-11: the cache does not grow beyond its bound, whatever strangers have
// fetched: what serves nobody is not kept, and what does has its share.
func TestCP11_CacheStaysWithinItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		big := testnet.NewPKI(t, now).Root("big", testnet.Extension([]int{1, 2, 3, 4}, false, make([]byte, 60<<10)))
		for name, c := range map[string]struct {
			of    *x509.Certificate
			least int64
		}{"useless": {newCA(t, now).Cert, 0}, "of use": {big.Cert, cacheIssuers - 128<<10}} {
			s := newShelf()
			k := &Keeper{Fetcher: always{body: big.Cert.Raw}, Cache: s}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				k.Run(ctx)
			}()
			for i := range 1000 {
				settledIssuers(t, k, naming(c.of, fmt.Sprintf("http://h%d.evil.example/", i)))
			}
			synctest.Wait()
			sum, counted := s.octets(), k.counted()
			if sum > cacheIssuers || sum < c.least || c.least == 0 && sum > 0 || sum != counted {
				t.Errorf("%s: %d octets, of which %d are counted", name, sum, counted)
			}
			time.Sleep(pruneEvery + tick)
			if sum, counted = s.octets(), k.counted(); sum > cacheIssuers-roomForIssuers || sum != counted {
				t.Errorf("%s: after a day %d octets, of which %d are counted", name, sum, counted)
			}
			cancel()
			<-done
			k.Close()
		}
	})
}

func (s *shelf) octets() (sum int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.kept {
		sum += int64(len(d.Body))
	}
	return sum
}

func (k *Keeper) counted() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.share
}
