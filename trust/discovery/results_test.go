package discovery_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// until makes a certificate of the authority that ends at a time.
func (a authority) until(name string, end time.Time) *x509.Certificate {
	return a.root.Leaf("b.example", testnet.EC(elliptic.P256()),
		testnet.Template(func(c *x509.Certificate) { c.Subject.CommonName, c.NotAfter = name, end })).Cert
}

// CD-12: what directories said is kept by the SRV record's time to live, and by
// the end of the certificates.
func TestCD12_DirectoriesAreKept(t *testing.T) {
	ca := newAuthority(t)
	for _, c := range []struct {
		name       string
		ttl        int
		values     []string
		refuse     bool
		kept, over time.Duration
	}{
		{"found, by the record", 600, raw(ca.leaf("x")), false, 599 * time.Second, 601 * time.Second},
		{"found, an hour", 86400, raw(ca.leaf("x")), false, 3599 * time.Second, 3601 * time.Second},
		{"found, by the certificate", 3600, raw(ca.until("x", now.Add(20*time.Minute))), false, 19 * time.Minute, 21 * time.Minute},
		{"found, by the first to end", 3600, raw(ca.leaf("y"), ca.until("x", now.Add(20*time.Minute))), false, 19 * time.Minute, 21 * time.Minute},
		{"found, and ended before", 3600, raw(ca.until("x", now.Add(-time.Minute))), false, 3599 * time.Second, 3601 * time.Second},
		{"unreadable", 3600, []string{"garbage"}, false, 299 * time.Second, 301 * time.Second},
		{"nothing", 3600, nil, false, 299 * time.Second, 301 * time.Second},
		{"nothing, by the record", 60, nil, false, 59 * time.Second, 61 * time.Second},
		{"failure", 3600, nil, true, 29 * time.Second, 31 * time.Second},
		{"no time to live", 0, raw(ca.leaf("x")), false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &server{entries: map[string][]string{alice: c.values}}
			if c.refuse {
				s.answer = func(s *session, q search) { _ = s.done(q.id, 5, 53) }
			}
			s.start(t)
			w := newWorld(t)
			_, port, _ := strings.Cut(s.addr, ":")
			w.put(t, fmt.Sprintf("_ldap._tcp.b.example. %d IN SRV 0 0 %s ldap.b.example.", c.ttl, port))
			r := w.resolver(t)
			ask(t, r, alice)
			before := len(s.asked())
			if c.kept > 0 {
				w.pass(c.kept)
				got := ask(t, r, alice)
				if !got.Cached || len(s.asked()) != before {
					t.Errorf("after %v: cached %v, %d searches more", c.kept, got.Cached, len(s.asked())-before)
				}
			}
			w.pass(c.over - c.kept)
			ask(t, r, alice)
			if len(s.asked()) == before {
				t.Errorf("after %v: not asked", c.over)
			}
		})
	}
}

// A warm look-up costs no question, whichever source has the certificate.
func TestWarmLookupAsksNobody(t *testing.T) {
	ca := newAuthority(t)
	s := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice"))}}).start(t)
	w, r := directories(t, s)
	w.cert(t, "c.example", discovery.CertPKIX, ca.leaf("c").Raw)
	for _, addr := range []string{alice, "bob@c.example", "nobody@b.example", "x@d.example"} {
		cold := ask(t, r, addr)
		sibling := addr == "nobody@b.example" // what is known of alice's domain serves it
		if cold.Questions == 0 || cold.Cached != sibling {
			t.Errorf("%s, cold: %d questions, cached %v", addr, cold.Questions, cold.Cached)
		}
		w.pass(time.Second)
		before, searches := w.count(""), len(s.asked())
		warm := ask(t, r, addr)
		if warm.Questions != 0 || !warm.Cached || w.count("") != before || len(s.asked()) != searches {
			t.Errorf("%s, warm: %d questions, cached %v", addr, warm.Questions, warm.Cached)
		}
		if len(warm.Certificates) != len(cold.Certificates) || (warm.Err == nil) != (cold.Err == nil) {
			t.Errorf("%s: %v then %v", addr, cold.Err, warm.Err)
		}
		for _, step := range warm.Steps {
			if !step.Cached || step.Age != time.Second && !sibling || step.Duration > time.Second {
				t.Errorf("%s: step %+v", addr, step)
			}
		}
	}
	want := discovery.FindStats{Finds: 8, Found: 4, None: 4, Cached: 5, Hits: 3}
	got := r.Stats()
	got.Questions = 0
	if got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// A clock that was set back makes nothing young again.
func TestCD12_NothingFromTheFutureIsUsed(t *testing.T) {
	s := (&server{entries: map[string][]string{alice: raw(newAuthority(t).leaf("alice"))}}).start(t)
	w, r := directories(t, s)
	ask(t, r, alice)
	before := len(s.asked())
	w.pass(-time.Hour)
	if got := ask(t, r, alice); got.Err != nil || len(s.asked()) == before {
		t.Errorf("%v, %d searches more", got.Err, len(s.asked())-before)
	}
}

// Equal searches are one, for as long as somebody waits for it.
func TestEqualSearchesAreJoined(t *testing.T) {
	ca := newAuthority(t)
	began, release := make(chan struct{}, 100), make(chan struct{})
	s := (&server{answer: func(s *session, q search) {
		began <- struct{}{}
		<-release
		_ = s.entry(q.id, "cn=x", map[string][]string{"userCertificate": raw(ca.leaf("alice"))})
		_ = s.done(q.id, 5, 0)
	}}).start(t)
	_, r := directories(t, s)

	var all sync.WaitGroup
	impatient, leave := context.WithCancel(t.Context())
	all.Go(func() {
		check(t, r.Find(impatient, discovery.Request{Address: address(t, alice)}), reason.DiscoveryTimeout)
	})
	<-began // the first asks
	results := make([]discovery.Result, 3)
	for i := range results {
		all.Go(func() { results[i] = ask(t, r, alice) })
	}
	testnet.Until(t, func() bool { return discovery.Waiting(r) >= 4 })
	leave()
	close(release)
	all.Wait()
	for _, got := range results {
		check(t, got, reason.OK, place{"alice", discovery.LDAPAddress})
	}
	if n := len(s.asked()); n != 1 {
		t.Errorf("%d searches", n)
	}
}

func TestSearchThatNobodyWaitsForEnds(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	s := (&server{answer: func(s *session, q search) {
		close(began)
		hold(s.conn)
		close(ended)
	}}).start(t)
	_, r := directories(t, s)
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		check(t, r.Find(ctx, discovery.Request{Address: address(t, alice)}), reason.DiscoveryTimeout)
	})
	<-began
	leave()
	all.Wait()
	<-ended // the connection was closed
}

func TestCloseEndsSearches(t *testing.T) {
	began := make(chan struct{})
	s := (&server{answer: func(s *session, q search) {
		close(began)
		hold(s.conn)
	}}).start(t)
	w, r := directories(t, s)
	var all sync.WaitGroup
	all.Go(func() {
		got := ask(t, r, alice)
		if got.Err == nil {
			t.Error("found something")
		}
	})
	<-began
	r.Close()
	all.Wait()
	w.pass(time.Minute)
	if got := ask(t, r, alice); got.Err == nil || got.Err.Code != reason.DiscoveryTimeout {
		t.Errorf("after Close: %v", got.Err)
	}
}
