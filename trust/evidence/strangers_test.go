package evidence

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/fetch"
	"postern/trust"
)

// split answers strangers' questions by one fetcher and others by another.
type split struct{ strangers, others Fetcher }

func (s split) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	if strings.HasPrefix(r.Accept, "application/pkix-cert") {
		return s.strangers.Do(ctx, r)
	}
	return s.others.Do(ctx, r)
}

// always gives one answer.
type always page

func (a always) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	w := newWeb()
	w.put(r.URL, page(a))
	return w.Do(ctx, r)
}

// naming returns a certificate as strangers write it.
func naming(cert *x509.Certificate, urls ...string) *x509.Certificate {
	c := *cert
	c.IssuingCertificateURL = urls
	return &c
}

// AS-71: whatever strangers name, and whatever comes of it, what is done for
// revocation is the same to the second: a revocation that is not looked up is a
// revoked signer believed.
func TestAS71_NothingAStrangerNamesHidesARevocation(t *testing.T) {
	broken := page{err: fetch.ErrBroken}
	for name, c := range map[string]struct {
		answer page
		url    func(i int) string
		n      int
	}{
		"refused, at the very host":     {refused, func(i int) string { return fmt.Sprintf("http://crl.example/%d", i) }, 100},
		"silent, at the very host":      {hangs, func(i int) string { return fmt.Sprintf("http://crl.example/%d", i) }, 3000},
		"slow, at the very host":        {page{body: []byte("x"), after: 9 * time.Second}, func(i int) string { return fmt.Sprintf("http://crl.example/%d", i) }, 10},
		"https to the port of http":     {broken, func(i int) string { return fmt.Sprintf("https://crl.example:80/%d", i) }, 100},
		"the very URL, refused":         {refused, func(int) string { return crlURL }, 1},
		"the very URL, silent":          {hangs, func(int) string { return crlURL }, 1},
		"the very URL, useless":         {page{body: []byte("<html>")}, func(int) string { return crlURL }, 1},
		"the responder's URL, absent":   {absent, func(int) string { return ocspAt }, 1},
		"more hosts than are known":     {refused, func(i int) string { return fmt.Sprintf("http://h%d.example/", i) }, maxHosts + 1000},
		"more silent ones than fit":     {hangs, func(i int) string { return fmt.Sprintf("http://h%d.example/", i) }, 5000},
		"more documents than there are": {page{body: []byte("x")}, func(i int) string { return fmt.Sprintf("http://crl.example/%d", i) }, maxEntries + 1000},
	} {
		t.Run(name, func(t *testing.T) {
			var first story
			for _, attack := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					s := newStory(t, c.answer)
					if attack {
						for i := range c.n {
							s.k.Issuers(naming(s.stranger.Cert, c.url(i)))
							if i%500 == 499 {
								time.Sleep(20 * time.Millisecond)
							}
						}
					}
					time.Sleep(10*time.Second - time.Since(s.began))
					s.tell(t)
					if !attack {
						first = *s
						return
					}
					if got, want := fmt.Sprint(s.says), fmt.Sprint(first.says); got != want {
						t.Errorf("without strangers:\n%s\nwith them:\n%s", want, got)
					}
				})
			}
		})
	}
}

// A story is what a keeper has to say of revocation over a while.
type story struct {
	began          time.Time
	auth, stranger *ca
	web            *web
	k              *Keeper
	says           []string
}

func newStory(t testing.TB, strangers page) *story {
	s := &story{began: time.Now(), auth: newCA(t, time.Now()), stranger: newCA(t, time.Now()), web: newWeb()}
	s.k = &Keeper{Fetcher: split{always(strangers), s.web}, Cache: newShelf()}
	t.Cleanup(s.k.Close)
	return s
}

// tell asks for what is new, dead, kept and revoked.
func (s *story) tell(t testing.TB) {
	defer s.k.Close()
	now := time.Now()
	leaf := s.auth.leaf(names{crl: []string{crlURL}})
	late := s.auth.leaf(names{ocsp: []string{ocspAt}})
	s.web.put(crlURL, page{body: s.auth.crl(now, now.Add(aDay), leaf), after: time.Second})
	s.web.put("http://crl.example/other", page{body: s.auth.crl(now, now.Add(aDay), leaf), after: 2 * time.Second})
	s.web.put("http://dead.example/crl", hangs)
	ask := func(what string, of *x509.Certificate) {
		r, took := settled(t, s.k, of, s.auth.Cert, time.Now())
		s.says = append(s.says, fmt.Sprintf("%s: %s after %v, %d fetches", what, r.Status, took, s.web.count()))
	}
	ask("a list", leaf)
	ask("the list again", leaf)
	ask("another list of the host", s.auth.leaf(names{crl: []string{"http://crl.example/other"}}))
	ask("a responder", late)
	ask("a dead host", s.auth.leaf(names{crl: []string{"http://dead.example/crl"}}))
	ask("the dead host again", s.auth.leaf(names{crl: []string{"http://dead.example/crl"}}))
	s.k.mu.Lock()
	defer s.k.mu.Unlock()
	s.says = append(s.says, fmt.Sprintf("%d entries, %d hosts", len(s.k.known.byKey), len(s.k.known.hosts)))
}

// AS-71: over sockets, a certificate of a stranger that names the port of a CRL's
// server by https, or a page there that leads to a dead place.
func TestAS71_StrangersMakeNoServerLookDead(t *testing.T) {
	now := time.Now()
	auth, stranger := newCA(t, now), newCA(t, now)
	list := auth.crl(now.Add(-time.Hour), now.Add(aDay))
	url := site(t, map[string]http.HandlerFunc{
		"/list": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(list) },
		"/away": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
	})
	revoked := auth.leaf(names{crl: []string{url + "/list"}})
	list = auth.crl(now.Add(-time.Hour), now.Add(aDay), revoked)
	secure := strings.Replace(url, "http:", "https:", 1)
	for _, names := range [][]string{{secure + "/1", secure + "/2"}, {url + "/away", url + "/away?"}} {
		k := overHTTP(t)
		for i := range 5 {
			settledIssuers(t, k, naming(stranger.Cert, fmt.Sprint(names[0], i), fmt.Sprint(names[1], i)))
			settledIssuers(t, k, naming(stranger.Cert, names...))
		}
		if r, _ := settled(t, k, revoked, auth.Cert, now); r.Status != trust.IsRevoked {
			t.Errorf("after %v: %+v", names, r)
		}
		// The same of authorities: they do not know a server better than it does.
		r, _ := settled(t, overHTTP(t), auth.leaf(lists(append(names, url+"/list")...)), auth.Cert, now)
		if r.Status != trust.NotRevoked {
			t.Errorf("beside %v: %+v", names, r)
		}
	}
}

func lists(urls ...string) names { return names{crl: urls} }

// CP-11: strangers' certificates, all day long, do not keep a list from being
// refreshed.
func TestCP11_StrangersStopNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(lists(crlURL))
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(6*time.Hour))})
		k := &Keeper{Fetcher: split{always{err: fetch.ErrUnanswered}, w}}
		running(t, k)
		settled(t, k, leaf, auth.Cert, now)
		revoked := auth.crl(now.Add(time.Minute), now.Add(30*time.Hour), leaf)
		w.put(crlURL, page{body: revoked})
		var looks []trust.RevocationStatus
		for i := range 24 * 60 {
			k.Issuers(naming(auth.Cert, fmt.Sprintf("http://crl.example/%d", i), fmt.Sprintf("https://crl.example:80/%d", i)))
			time.Sleep(time.Minute)
			if i%15 == 14 {
				r, _ := settled(t, k, leaf, auth.Cert, time.Now())
				looks = append(looks, r.Status)
			}
		}
		for i, s := range looks {
			if s != trust.IsRevoked && (s != trust.NotRevoked || i >= 6*4) {
				t.Errorf("look %d: %s", i, s)
			}
		}
	})
}

// AS-71: a list that was never asked for is fetched from a host that is dead all
// the same, though nobody waits for it.
func TestAS71_UntriedListIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		w := newWeb()
		k := &Keeper{Fetcher: w}
		defer k.Close()
		for i := range deadAfter {
			u := fmt.Sprintf("http://crl.example/%d", i)
			w.put(u, refused)
			settled(t, k, auth.leaf(lists(u)), auth.Cert, now)
		}
		leaf := auth.leaf(lists(crlURL))
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay), leaf), after: time.Second})
		if r, took := settled(t, k, leaf, auth.Cert, now); r.Status != trust.RevocationUnknown || took != 0 {
			t.Errorf("%s after %v", r.Status, took)
		}
		time.Sleep(2 * time.Second)
		if r, _ := settled(t, k, leaf, auth.Cert, now); r.Status != trust.IsRevoked {
			t.Errorf("%+v", r)
		}
	})
}

// A heavyShelf takes long to find issuers.
type heavyShelf struct{ *shelf }

func (s heavyShelf) Load(ctx context.Context, key string) (Stored, bool, error) {
	if strings.HasPrefix(key, string(issuers)) {
		time.Sleep(10 * time.Second)
	}
	return s.shelf.Load(ctx, key)
}

// AS-72: nor do strangers keep a list from coming out of the cache.
func TestAS72_StrangersLeavePlacesForTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(lists(crlURL))
		w, cache := newWeb(), heavyShelf{newShelf()}
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w, Cache: cache}
		settled(t, k, leaf, auth.Cert, now)
		k.Close()
		k = &Keeper{Fetcher: dead{}, Cache: cache}
		k.begin()
		k.strange.lost = true
		for i := range 100 {
			k.Issuers(naming(auth.Cert, fmt.Sprintf("http://h%d.example/", i)))
		}
		if r, took := settled(t, k, leaf, auth.Cert, now); r.Status != trust.NotRevoked || took != 0 {
			t.Errorf("%s after %v", r.Status, took)
		}
		k.Close()
	})
}

// What broke off says nothing of a server, neither that it is dead nor that it is
// back.
func TestWhatBreaksOffSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		w := newWeb()
		k := &Keeper{Fetcher: w}
		defer k.Close()
		for i, c := range []struct {
			page page
			took time.Duration
		}{
			{page{err: fetch.ErrBroken}, 0},
			{page{err: fetch.ErrBroken}, 0},
			{page{err: fetch.ErrBroken, after: 9 * time.Second}, defaultBudget},
			{page{err: fetch.ErrBroken, after: 9 * time.Second}, 0},
			{absent, 0},
			{page{err: fetch.ErrBroken, after: 9 * time.Second}, defaultBudget},
		} {
			u := fmt.Sprintf("http://crl.example/%d", i)
			w.put(u, c.page)
			if _, took := settled(t, k, auth.leaf(lists(u)), auth.Cert, time.Now()); took != c.took {
				t.Errorf("document %d: after %v", i, took)
			}
			time.Sleep(10 * time.Second)
		}
		equalInt(t, "fetches", w.count(), 6)
	})
}
