package evidence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/trust"
)

var errForbidden = guard.ErrForbidden

// AS-70, CP-11: what hangs delays one judgement once by the budget, and then
// nobody, whichever of its documents is asked for. Issuers say nothing of
// revocation, so a host of both does so for each.
func TestCP11_DeadServerDelaysNothingButTheFirst(t *testing.T) {
	for name, of := range map[string]func(host string, i int) names{
		"AIA":  func(h string, i int) names { return names{aia: []string{fmt.Sprintf("http://%s/%d", h, i)}} },
		"CRL":  func(h string, i int) names { return names{crl: []string{fmt.Sprintf("http://%s/%d", h, i)}} },
		"OCSP": func(h string, _ int) names { return names{ocsp: []string{"http://" + h + "/"}} },
		"all": func(h string, i int) names {
			u := []string{fmt.Sprintf("http://%s/%d", h, i)}
			return names{aia: u, crl: u, ocsp: u}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				auth := newCA(t, time.Now())
				k := &Keeper{Fetcher: dead{}}
				defer k.Close()
				delay := defaultBudget
				if name == "all" {
					delay *= 2
				}
				for i := range 100 {
					leaf := auth.leaf(of("dead.example", i))
					_, a := settledIssuers(t, k, leaf)
					_, b := settled(t, k, leaf, auth.Cert, time.Now())
					want := time.Duration(0)
					if i == 0 {
						want = delay
					}
					if a+b != want {
						t.Fatalf("message %d was delayed by %v", i, a+b)
					}
					time.Sleep(time.Duration(i) * time.Second)
				}
			})
		})
	}
}

// dead is a server that takes connections and says nothing.
type dead struct{}

func (dead) Do(ctx context.Context, _ fetch.Request) (fetch.Document, error) {
	<-ctx.Done()
	return fetch.Document{}, fmt.Errorf("%w: %w", fetch.ErrUnanswered, ctx.Err())
}

// What comes after the budget is kept for those who ask later.
func TestCP11_FetchGoesOnAfterTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay)), after: 20 * time.Second})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		r, took := settled(t, k, leaf, auth.Cert, now)
		if r.Status != trust.RevocationUnknown || took != defaultBudget {
			t.Errorf("%s after %v", r.Status, took)
		}
		time.Sleep(16 * time.Second)
		r, took = settled(t, k, leaf, auth.Cert, now)
		if r.Status != trust.NotRevoked || took != 0 || w.count() != 1 {
			t.Errorf("%s after %v and %d fetches", r.Status, took, w.count())
		}
	})
}

// After a failure tries are made after growing pauses, and nobody waits for
// them; the first success ends that.
func TestTriesAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, page{err: &fetch.StatusError{Code: 503}, after: time.Second})
		k := &Keeper{Fetcher: w}
		defer k.Close()
		began := time.Now()
		var tries []time.Duration
		for time.Since(began) < aDay {
			before := w.count()
			_, took := settled(t, k, leaf, auth.Cert, time.Now())
			synctest.Wait()
			if w.count() > before {
				tries = append(tries, time.Since(began)-took)
			} else if took != 0 {
				t.Fatal("waited for nothing")
			}
			if len(tries) > 1 && took != 0 {
				t.Fatal("waited for what fails")
			}
			time.Sleep(10 * time.Second)
		}
		for i := 1; i < len(tries); i++ {
			pause := min(firstPause<<min(i-1, 10), longPause)
			if got := tries[i] - tries[i-1]; got < pause || got > pause*5/4+30*time.Second {
				t.Errorf("pause %d: %v", i, got)
			}
		}
		if len(tries) < 20 || len(tries) > 40 {
			t.Errorf("%d tries in a day", len(tries))
		}
		w.put(crlURL, page{body: auth.crl(time.Now(), time.Now().Add(aDay)), after: time.Second})
		time.Sleep(2 * longPause)
		_, _ = settled(t, k, leaf, auth.Cert, time.Now())
		time.Sleep(2 * time.Second)
		if r, took := settled(t, k, leaf, auth.Cert, time.Now()); r.Status != trust.NotRevoked || took != 0 {
			t.Errorf("%s after %v: %s", r.Status, took, r.Detail)
		}
	})
}

// While the keeper runs, nobody's question is spent on finding out that a server
// is back.
func TestServerThatIsBackIsFoundByTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		leaf := auth.leaf(names{crl: []string{crlURL}})
		w := newWeb()
		w.put(crlURL, refused)
		k := &Keeper{Fetcher: w}
		running(t, k)
		settled(t, k, leaf, auth.Cert, now)
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay)), after: time.Second})
		time.Sleep(4 * firstPause)
		if r := k.Revocation(leaf, auth.Cert, time.Now()); r.Status != trust.NotRevoked {
			t.Errorf("%+v", r)
		}
	})
}

// Strangers who have much fetched from an authority's server do not keep others
// from its lists.
func TestStrangersLeavePlacesForRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		auth := newCA(t, now)
		w := newWeb()
		k := &Keeper{Fetcher: w}
		defer k.Close()
		for i := range 500 {
			u := fmt.Sprintf("http://crl.example/%d", i)
			w.put(u, page{err: &fetch.StatusError{Code: 404}, after: time.Second})
			cert := *auth.Cert
			cert.IssuingCertificateURL = []string{u}
			k.Issuers(&cert)
		}
		w.put(crlURL, page{body: auth.crl(now, now.Add(aDay)), after: time.Second})
		r, took := settled(t, k, auth.leaf(names{crl: []string{crlURL}}), auth.Cert, now)
		if r.Status != trust.NotRevoked || took != time.Second {
			t.Errorf("%s after %v", r.Status, took)
		}
	})
}

// A host that left two documents unanswered is not asked for a third, until one
// try has succeeded.
func TestDeadHostIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		w := newWeb()
		k := &Keeper{Fetcher: w}
		defer k.Close()
		ask := func(i int) trust.Issuers {
			u := fmt.Sprintf("http://dead.example/%d", i)
			w.mu.Lock()
			if _, ok := w.pages[u]; !ok {
				w.pages[u] = refused
			}
			w.mu.Unlock()
			got, _ := settledIssuers(t, k, auth.leaf(names{aia: []string{u}}))
			return got
		}
		for i := range 50 {
			got := ask(i)
			if !got.Down {
				t.Fatalf("%+v", got)
			}
		}
		if w.count() != deadAfter {
			t.Fatalf("%d fetches", w.count())
		}
		time.Sleep(3 * firstPause)
		for i := range 50 {
			ask(100 + i)
			synctest.Wait()
		}
		if w.count() != deadAfter+1 {
			t.Fatalf("%d fetches after the pause", w.count())
		}
		w.put("http://dead.example/200", absent) // it answers again, if only to refuse
		time.Sleep(2 * longPause)
		ask(200)
		synctest.Wait()
		before := w.count()
		ask(201)
		synctest.Wait()
		if w.count() != before+1 {
			t.Errorf("a host that answers is not asked")
		}
	})
}

// Strangers cannot have more fetched at a time than there is room for.
func TestAS70_FetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		auth := newCA(t, time.Now())
		w := newWeb()
		k := &Keeper{Fetcher: w}
		for i := range 3000 {
			host := i
			if i%2 == 0 {
				host = 0
			}
			u := fmt.Sprintf("http://h%d.example/%d", host, i)
			w.put(u, hangs)
			cert := *auth.Cert
			cert.IssuingCertificateURL = []string{u}
			k.Issuers(&cert)
		}
		synctest.Wait()
		if w.most != issuerWide {
			t.Errorf("%d fetches at a time", w.most)
		}
		k.mu.Lock()
		if n := len(k.lanes[issuers].queue); n != maxQueue {
			t.Errorf("%d wait", n)
		}
		if n := k.strange.hosts["http://h0.example:80"].running; n != perHost {
			t.Errorf("%d at one host", n)
		}
		k.mu.Unlock()
		cert := *auth.Cert
		cert.IssuingCertificateURL = []string{"http://late.example/"}
		if got := k.Issuers(&cert); got.Pending == nil || !got.Down { // the newest is the next
			t.Errorf("beyond the queue: %+v", got)
		}
		k.mu.Lock()
		if l := k.lanes[issuers]; len(l.queue) != maxQueue || l.queue[0].entry.key.url != "http://late.example/" {
			t.Errorf("%d wait", len(l.queue))
		}
		k.mu.Unlock()
		time.Sleep(10 * fetchTime)
		k.Close()
		k.mu.Lock()
		defer k.mu.Unlock()
		for name, l := range k.lanes {
			if l.running != 0 || len(l.queue) != 0 {
				t.Errorf("lane %s: %d run, %d wait", name, l.running, len(l.queue))
			}
		}
		for name, h := range k.strange.hosts {
			if h.busy() {
				t.Errorf("host %s: %+v", name, h)
			}
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	now := time.Now()
	tab := table{entries: 10, bytes: 1000}
	at := func(i int) *entry {
		return tab.get(key{kind: issuers, url: fmt.Sprintf("http://a.example/%d", i)}, parties{}, now)
	}
	at(0).flight = &flight{}
	for i := range 100 {
		now = now.Add(time.Minute)
		tab.put(at(i), &document{size: 300}, now)
		at(i).stored = true
	}
	if len(tab.byKey) != 10 || tab.order.Len() != 10 || tab.documented > tab.bytes {
		t.Errorf("%d entries of %d octets", len(tab.byKey), tab.documented)
	}
	if tab.byKey[key{kind: issuers, url: "http://a.example/0"}] == nil {
		t.Error("the entry of a flight is gone")
	}
	now = now.Add(time.Minute)
	tab.put(at(99), &document{size: 5000}, now)
	if tab.documented != 5000 || !at(98).asleep() {
		t.Errorf("%d octets", tab.documented)
	}
	for i := 90; i < 99; i++ {
		tab.put(at(i), &document{size: 2900}, now)
	}
	if tab.documented > stretch*tab.bytes || tab.documented < stretch*tab.bytes/2 {
		t.Errorf("%d octets in use", tab.documented)
	}
	k := &Keeper{}
	defer k.Close()
	k.begin()
	for i := range 3 * maxHosts {
		k.strange.hosts.at(fmt.Sprint(i), now).late = now
	}
	if len(k.strange.hosts) > maxHosts {
		t.Errorf("%d hosts", len(k.strange.hosts))
	}
}

// Documents that do not fit into memory together do not drive each other out for
// ever while somebody waits for all of them.
func TestWaitForWhatDoesNotFitEnds(t *testing.T) {
	for name, c := range map[string]struct {
		room  int64
		cache Cache
		fits  bool
	}{
		"a little too large":            {400, nil, true},
		"much too large":                {1, nil, false},
		"a little too large, but saved": {400, newShelf(), true},
		"much too large, but saved":     {1, newShelf(), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				auth := newCA(t, now)
				w := newWeb()
				k := &Keeper{Fetcher: w, Cache: c.cache}
				defer k.Close()
				k.begin()
				k.known.bytes = c.room
				var all []trust.Revocation
				for i := range 3 {
					u := fmt.Sprintf("http://crl.example/%d", i)
					w.put(u, page{body: auth.crl(now, now.Add(aDay)), after: time.Millisecond})
					all = append(all, trust.Revocation{Certificate: auth.leaf(names{crl: []string{u}})})
				}
				waits := 0
				for pending := true; pending; waits++ {
					pending = false
					for i, r := range all {
						all[i] = k.Revocation(r.Certificate, auth.Cert, now)
						if p := all[i].Pending; p != nil && !pending {
							pending = true
							<-p
						}
					}
					if waits > 20 {
						t.Fatal("it never ends")
					}
				}
				for _, r := range all {
					if c.fits && r.Status != trust.NotRevoked {
						t.Errorf("%s: %s", r.Status, r.Detail)
					}
				}
			})
		})
	}
}

func TestQuestionsOfManyAtOnce(t *testing.T) {
	now := time.Now()
	auth := newCA(t, now)
	leaf := auth.leaf(names{crl: []string{crlURL}, aia: []string{aiaURL}})
	w := newWeb()
	w.put(crlURL, page{body: auth.crl(now.Add(-time.Minute), now.Add(aDay)), after: time.Millisecond})
	w.put(aiaURL, page{body: auth.Cert.Raw, after: time.Millisecond})
	k := &Keeper{Fetcher: w, Cache: newShelf()}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			r, _ := settled(t, k, leaf, auth.Cert, now)
			got, _ := settledIssuers(t, k, leaf)
			if r.Status != trust.NotRevoked || len(got.Certificates) != 1 {
				t.Errorf("%+v, %+v", r, got)
			}
		})
	}
	all.Wait()
	k.Close()
	if w.count() != 2 {
		t.Errorf("%d fetches", w.count())
	}
}

func TestCloseEndsFetches(t *testing.T) {
	auth := newCA(t, time.Now())
	leaf := auth.leaf(names{crl: []string{crlURL}})
	k := &Keeper{Fetcher: dead{}}
	pending := k.Revocation(leaf, auth.Cert, time.Now()).Pending
	k.Close()
	<-pending
	r := k.Revocation(leaf, auth.Cert, time.Now())
	if r.Pending != nil || r.Status != trust.RevocationUnknown {
		t.Errorf("%+v", r)
	}
	k.Close()
}

// A panic in what reads a stranger's document is that document's end alone.
func TestPanicIsAFailure(t *testing.T) {
	auth := newCA(t, time.Now())
	k := &Keeper{Fetcher: panics{}}
	defer k.Close()
	r, _ := settled(t, k, auth.leaf(names{crl: []string{crlURL}}), auth.Cert, time.Now())
	if r.Status != trust.RevocationUnknown {
		t.Errorf("%+v", r)
	}
}

type panics struct{}

func (panics) Do(context.Context, fetch.Request) (fetch.Document, error) { panic("test") }
