package evidence

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ocsp"

	"postern/internal/fetch"
	"postern/internal/testnet"
	"postern/trust"
)

// A logbook is what was logged, a line each.
type logbook struct{ testnet.Log }

func (l *logbook) count(what string) int { return strings.Count(l.String(), what) }

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// running has a keeper's Run run for the rest of a test.
func running(t testing.TB, k *Keeper) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		k.Close()
	})
}

func TestAS72_CRLIsKeptUntilItIsDue(t *testing.T) {
	for name, c := range map[string]struct{ lasts, due time.Duration }{
		"a day":  {aDay, aDay},
		"a year": {365 * aDay, aDay},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				auth := newCA(t, now)
				leaf := auth.leaf(names{crl: []string{crlURL}})
				w := newWeb()
				w.put(crlURL, page{body: auth.crl(now, now.Add(c.lasts)), after: time.Second})
				k := &Keeper{Fetcher: w}
				defer k.Close()
				settled(t, k, leaf, auth.Cert, now)
				time.Sleep(c.due - time.Minute)
				r, _ := settled(t, k, leaf, auth.Cert, time.Now())
				if r.Status != trust.NotRevoked || w.count() != 1 {
					t.Fatalf("%s after %d fetches: %s", r.Status, w.count(), r.Detail)
				}
				time.Sleep(2 * time.Minute)
				w.put(crlURL, page{body: auth.crl(time.Now(), time.Now().Add(aDay)), after: time.Second})
				r, took := settled(t, k, leaf, auth.Cert, time.Now())
				if still := c.lasts > c.due; r.Status != trust.NotRevoked || still != (took == 0) {
					t.Errorf("%s after %v", r.Status, took)
				}
				time.Sleep(2 * time.Second)
				if w.count() != 2 {
					t.Errorf("%d fetches", w.count())
				}
			})
		})
	}
}

func TestCP11_CRLIsRefreshedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w}
		running(t, k)
		settled(t, k, leaf, auth.Cert, now)
		time.Sleep(aDay * 6 / 10)
		synctest.Wait()
		if w.count() != 1 {
			t.Fatalf("%d fetches", w.count())
		}
		w.put(crlURL, page{body: auth.crl(time.Now(), time.Now().Add(aDay), leaf)})
		time.Sleep(aDay * 2 / 10)
		synctest.Wait()
		r := k.Revocation(leaf, auth.Cert, time.Now())
		if w.count() != 2 || r.Status != trust.IsRevoked || r.Pending != nil {
			t.Errorf("%s after %d fetches", r.Status, w.count())
		}
		// What nobody asks for is no longer refreshed.
		before := w.count()
		time.Sleep(refreshUsed + aDay)
		synctest.Wait()
		during := w.count() - before
		time.Sleep(30 * aDay)
		synctest.Wait()
		if during == 0 || w.count() != before+during {
			t.Errorf("%d fetches while it was used, then %d", during, w.count()-before-during)
		}
	})
}

// A refresh that fails takes nothing away, and the operator hears of it once,
// and once again when it becomes urgent.
func TestCP11_RefreshThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w, book := newWeb(), &logbook{}
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w, Log: book.logger()}
		running(t, k)
		settled(t, k, leaf, auth.Cert, now)
		w.put(crlURL, refused)
		time.Sleep(aDay * 8 / 10)
		if r := k.Revocation(leaf, auth.Cert, time.Now()); r.Status != trust.NotRevoked || r.Pending != nil {
			t.Errorf("%+v", r)
		}
		equalInt(t, "warnings", book.count("level=WARN"), 1)
		equalInt(t, "errors", book.count("level=ERROR"), 0)
		time.Sleep(aDay*2/10 - time.Minute)
		equalInt(t, "warnings", book.count("level=WARN"), 1)
		equalInt(t, "errors", book.count("level=ERROR"), 1)
		time.Sleep(2 * time.Minute)
		r := k.Revocation(leaf, auth.Cert, time.Now())
		if r.Status != trust.RevocationUnknown || r.Pending != nil || !strings.Contains(r.Detail, "fails since") {
			t.Errorf("%+v", r)
		}
		if e := only(t, k); e.key.url != crlURL || e.trouble.err == nil || e.trouble.since.IsZero() {
			t.Errorf("%+v", e)
		}
		w.put(crlURL, page{body: auth.crl(time.Now(), time.Now().Add(aDay))})
		time.Sleep(2 * longPause)
		if r = k.Revocation(leaf, auth.Cert, time.Now()); r.Status != trust.NotRevoked {
			t.Errorf("%+v", r)
		}
		equalInt(t, "good news", book.count("level=INFO"), 1)
		if e := only(t, k); e.trouble.tries != 0 {
			t.Errorf("%+v", e.trouble)
		}
	})
}

// only returns a copy of the one entry of revocation that a keeper has.
func only(t testing.TB, k *Keeper) entry {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	equalInt(t, "entries", len(k.known.byKey), 1)
	for _, e := range k.known.byKey {
		return *e
	}
	return entry{}
}

func equalInt(t testing.TB, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

// AS-72: a list counts only if the issuer signed it, is not from the future and
// is not older than what is known.
func TestAS72_ListsThatDoNotReplace(t *testing.T) {
	now := time.Now()
	auth, other := newCA(t, now), newCA(t, now)
	leaf := auth.leaf(names{crl: []string{crlURL}})
	good := auth.crl(now, now.Add(30*aDay), leaf)
	for name, c := range map[string][]byte{
		"of another key":  other.crl(now.Add(aDay), now.Add(30*aDay)),
		"from the future": auth.crl(now.Add(20*aDay), now.Add(30*aDay)),
		"older":           auth.crl(now.Add(-aDay), now.Add(30*aDay)),
		"changed":         append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"cut off":         good[:len(good)-1],
		"a page of HTML":  []byte("<html>"),
		"empty":           {},
	} {
		t.Run(name, func(t *testing.T) {
			var clock = now
			w := newWeb()
			w.put(crlURL, page{body: good})
			k := &Keeper{Fetcher: stamped{w, &clock}, Now: func() time.Time { return clock }}
			defer k.Close()
			if r, _ := settled(t, k, leaf, auth.Cert, clock); r.Status != trust.IsRevoked {
				t.Fatalf("%+v", r)
			}
			k.flights.Wait()
			w.put(crlURL, page{body: c})
			clock = now.Add(8 * aDay)
			settled(t, k, leaf, auth.Cert, clock)
			k.flights.Wait()
			if r, _ := settled(t, k, leaf, auth.Cert, clock); r.Status != trust.IsRevoked || w.count() != 2 {
				t.Errorf("after %d fetches: %+v", w.count(), r)
			}
			if e := only(t, k); e.trouble.err == nil {
				t.Errorf("nothing fails: %+v", e)
			}
		})
	}
}

// What an attacker's certificate names is asked for once more for its issuer,
// and says nothing of anybody else's.
func TestAS72_AnotherIssuerDoesNotSpoilAURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth, attacker := newCA(t, now), newCA(t, now)
		n := names{crl: []string{crlURL}}
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		if r, _ := settled(t, k, attacker.leaf(n), attacker.Cert, now); r.Status != trust.RevocationUnknown {
			t.Errorf("%+v", r)
		}
		if r, _ := settled(t, k, auth.leaf(n), auth.Cert, now); r.Status != trust.NotRevoked {
			t.Errorf("%+v", r)
		}
	})
}

// The past is judged by what was made since, and never makes anything be fetched
// that would not be fetched anyway.
func TestQuestionsAboutThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay))})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		past := now.Add(-30 * aDay)
		if r, _ := settled(t, k, leaf, auth.Cert, past); r.Status != trust.NotRevoked || !r.ThisUpdate.Equal(now.Truncate(time.Second)) {
			t.Errorf("%+v", r)
		}
		r, _ := settled(t, k, leaf, auth.Cert, now.Add(2*aDay))
		if r.Status != trust.RevocationUnknown || r.Pending != nil {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		equalInt(t, "fetches", w.count(), 1)
		// A list that has ended counts for when it had not.
		time.Sleep(2 * aDay)
		w.put(crlURL, absent)
		if r, _ := settled(t, k, leaf, auth.Cert, now.Add(time.Hour)); r.Status != trust.NotRevoked {
			t.Errorf("%+v", r)
		}
	})
}

func TestRevocationWithoutASource(t *testing.T) {
	auth := newCA(t, time.Now())
	k := &Keeper{Fetcher: newWeb()}
	defer k.Close()
	r := k.Revocation(auth.leaf(names{}), auth.Cert, time.Now())
	if r.Status != trust.RevocationUnstated || r.Pending != nil {
		t.Errorf("%+v", r)
	}
	r = k.Revocation(auth.leaf(names{crl: []string{"ldap://a.example/cn=crl"}}), auth.Cert, time.Now())
	if r.Status != trust.RevocationUnknown || r.Pending != nil || !strings.Contains(r.Detail, "ldap://a.example/cn=crl") {
		t.Errorf("%+v", r)
	}
	if r = k.Revocation(nil, nil, time.Now()); r.Status != trust.RevocationUnknown {
		t.Errorf("%+v", r)
	}
}

func TestSourcesOfOneCertificateAreBounded(t *testing.T) {
	auth := newCA(t, time.Now())
	many := func(host string, n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("http://%s%d.example/", host, i))
		}
		return all
	}
	for _, c := range []struct{ crl, ocsp, wantCRL, wantOCSP int }{
		{10, 10, 2, 2}, {10, 0, 4, 0}, {0, 10, 0, 4}, {1, 10, 1, 3}, {10, 1, 3, 1}, {1, 1, 1, 1},
	} {
		w := newWeb()
		k := &Keeper{Fetcher: w}
		settled(t, k, auth.leaf(names{crl: many("c", c.crl), ocsp: many("o", c.ocsp)}), auth.Cert, time.Now())
		k.Close()
		crl, responders := map[string]bool{}, map[string]bool{}
		for _, r := range w.asked {
			host := strings.Split(r.URL, "/")[2]
			if host[0] == 'c' {
				crl[host] = true
			} else {
				responders[host] = true
			}
		}
		if len(crl) != c.wantCRL || len(responders) != c.wantOCSP {
			t.Errorf("%+v: asked %d and %d", c, len(crl), len(responders))
		}
	}
}

// RFC 6960 appendix A.1: by GET, and by POST if that brings nothing.
func TestAS74_OCSPIsAskedByGETAndPOST(t *testing.T) {
	now := time.Now()
	auth := newCA(t, now)
	const short = "http://o.example"
	leaf := auth.leaf(names{ocsp: []string{short}})
	good := auth.ocsp(leaf, ocsp.Good, now, now.Add(aDay))
	request, err := ocsp.CreateRequest(leaf, auth.Cert, nil)
	if err != nil {
		t.Fatal(err)
	}
	get := ocspURL(short, request)
	if get == "" || strings.ContainsAny(get[len(short)+1:], "+/=") {
		t.Fatalf("the URL is %q", get)
	}
	for name, c := range map[string]struct {
		get, post page
		want      trust.RevocationStatus
		asked     string
	}{
		"by GET":          {page{body: good}, absent, trust.NotRevoked, "GET"},
		"GET is refused":  {page{err: errForbidden}, page{body: good}, trust.NotRevoked, "GET POST"},
		"GET is absent":   {absent, page{body: good}, trust.NotRevoked, "GET POST"},
		"GET is garbage":  {page{body: []byte("<html>")}, page{body: good}, trust.NotRevoked, "GET POST"},
		"it is dead":      {refused, page{body: good}, trust.RevocationUnknown, "GET"},
		"neither answers": {absent, absent, trust.RevocationUnknown, "GET POST"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWeb()
			w.put(get, c.get)
			w.put(short, c.post)
			k := &Keeper{Fetcher: w}
			r, _ := settled(t, k, leaf, auth.Cert, now)
			k.Close()
			var asked []string
			for _, r := range w.asked {
				if r.Body == nil {
					asked = append(asked, "GET")
				} else if bytes.Equal(r.Body, request) && r.ContentType == ocspRequest {
					asked = append(asked, "POST")
				}
			}
			if r.Status != c.want || strings.Join(asked, " ") != c.asked {
				t.Errorf("%s by %v: %s", r.Status, asked, r.Detail)
			}
		})
	}
	if u := ocspURL("http://o.example/?a=b", request); u != "" {
		t.Errorf("a query of its own: %q", u)
	}
}

func TestOriginsOfURLs(t *testing.T) {
	for raw, want := range map[string]string{
		"http://A.example/x": "http://a.example:80", "http://a.example.:80/": "http://a.example:80",
		"https://a.example": "https://a.example:443", "https://a.example:80": "https://a.example:80",
		"http://[2001:db8::1]:8080/": "http://[2001:db8::1]:8080", "ldap://a.example": "",
	} {
		if got := originOf(raw); got != want {
			t.Errorf("%s: %q", raw, got)
		}
	}
}

func TestRefreshTimes(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ lasts, from, to time.Duration }{
		{7 * aDay, 7 * aDay * 65 / 100, 7 * aDay * 75 / 100},
		{16 * time.Minute, 10 * time.Minute, 11 * time.Minute},
		{time.Minute, apartMin, apartMin},
	} {
		for range 100 {
			if got := refreshAt(now, now.Add(c.lasts)).Sub(now); got < c.from || got > c.to {
				t.Fatalf("%v: after %v", c.lasts, got)
			}
		}
	}
}

// stamped dates documents by a test's clock.
type stamped struct {
	*web
	now *time.Time
}

func (s stamped) Do(ctx context.Context, r fetch.Request) (fetch.Document, error) {
	d, err := s.web.Do(ctx, r)
	d.Fetched = *s.now
	return d, err
}

func TestAnswerTellsWhereItIsFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now().UTC().Truncate(time.Second)
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay), leaf), after: time.Second})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		r, _ := settled(t, k, leaf, auth.Cert, now)
		want := trust.Revocation{Certificate: leaf, Status: trust.IsRevoked, Method: "crl", Source: crlURL,
			ThisUpdate: now, NextUpdate: now.Add(aDay), Fetched: now.Add(time.Second), RevokedAt: now.Add(-time.Hour), Detail: "keyCompromise"}
		same := cmp.Comparer(func(a, b *x509.Certificate) bool { return a.Equal(b) })
		channels := cmp.Comparer(func(a, b <-chan struct{}) bool { return a == b })
		if d := cmp.Diff(want, r, same, channels); d != "" {
			t.Error(d)
		}
	})
}
