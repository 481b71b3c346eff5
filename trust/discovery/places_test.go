package discovery_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// hang has searches under way that get no answer, one for each address, until
// the test ends, and waits until so many of them have asked something.
func hang(t *testing.T, w *world, r *discovery.Resolver, asking int, addrs []string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() {
		stop()
		all.Wait()
	})
	for _, a := range addrs {
		all.Go(func() { r.Find(ctx, discovery.Request{Address: address(t, a)}) })
	}
	testnet.Until(t, func() bool { return w.count(".dead.example. CERT") >= asking })
}

func patient(r *discovery.Resolver) { r.DNS.TryTimeout = time.Hour }

// CD-30: whoever has a zone has any number of domains. They take few places, and
// what is kept needs none.
func TestCD30_DomainsOfOneZoneShareTheirPlaces(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t)
	w.cert(t, "bob.b.example", discovery.CertPKIX, ca.leaf("bob").Raw)
	w.cert(t, "c.example", discovery.CertPKIX, ca.leaf("c").Raw)
	w.kill("dead.example.")
	r := w.resolver(t, patient)
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
	var flood []string
	for i := range 200 {
		flood = append(flood, fmt.Sprintf("x@s%d.dead.example", i))
	}
	hang(t, w, r, 8, flood)
	if got := ask(t, r, "bob@b.example"); got.Err != nil || got.Questions != 0 {
		t.Errorf("warm: %v, %d questions", got.Err, got.Questions)
	}
	check(t, ask(t, r, "x@c.example"), reason.OK, place{"c", discovery.DNSDomain})
	if n := w.count(".dead.example. CERT"); n != 8 {
		t.Errorf("%d at once", n)
	}
}

// Domains that have given no answer of late leave half of the places to those
// that have, and what is kept serves whoever has none.
func TestCD30_StrangersLeavePlaces(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t)
	w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("b").Raw)
	w.cert(t, "c.example", discovery.CertPKIX, ca.leaf("c").Raw)
	r := w.resolver(t, patient)
	check(t, ask(t, r, "first@b.example"), reason.OK, place{"b", discovery.DNSDomain})
	w.kill("example.")
	var flood []string
	for i := range 200 {
		flood = append(flood, fmt.Sprintf("x@dead%d.example", i))
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, a := range flood {
		all.Go(func() { r.Find(ctx, discovery.Request{Address: address(t, a)}) })
	}
	asking := func() int { return w.count(".example. CERT") - w.count("b.example. CERT") }
	testnet.Until(t, func() bool { return asking() >= 32 })
	w.kill("")
	check(t, ask(t, r, "second@b.example"), reason.OK, place{"b", discovery.DNSDomain})
	late, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	got := r.Find(late, discovery.Request{Address: address(t, "x@c.example")})
	check(t, got, reason.DiscoveryTimeout)
	if !strings.Contains(got.Steps[0].Outcome, "its turn did not come") || asking() != 32 {
		t.Errorf("%d strangers at once; steps %+v", asking(), got.Steps)
	}
	stop()
	all.Wait()
	check(t, ask(t, r, "x@c.example"), reason.OK, place{"c", discovery.DNSDomain})
}

// CD-30: what the wait for a place takes is not taken from the search.
func TestCD30_TheWaitForAPlaceTakesNothingFromTheSearch(t *testing.T) {
	s := (&server{answer: func(s *session, q search) { hold(s.conn) }}).start(t)
	w, r := directories(t, s)
	for i := range 4 {
		w.fail(fmt.Sprintf("s%d.b.example. CERT", i), -1)
	}
	patient(r)
	r.Budget = 3 * time.Second
	held, stop := context.WithTimeout(t.Context(), r.Budget/2)
	defer stop()
	var all sync.WaitGroup
	began := time.Now()
	for i := range 4 {
		all.Go(func() {
			r.Find(held, discovery.Request{Address: address(t, fmt.Sprintf("s%d@b.example", i))})
		})
	}
	testnet.Until(t, func() bool { return w.count("b.example. CERT") >= 4 })
	got := ask(t, r, alice) // four are all that its domain may have
	all.Wait()
	check(t, got, reason.DiscoveryTimeout)
	if took := time.Since(began); took < r.Budget {
		t.Errorf("it had %v in all, and waited for half of that; steps %+v", took, got.Steps)
	}
}

// CD-31: few directories are asked at once, since what they send takes memory.
func TestCD31_FewDirectoriesAreAskedAtOnce(t *testing.T) {
	began, release := make(chan struct{}, 1000), make(chan struct{})
	s := (&server{answer: func(s *session, q search) {
		began <- struct{}{}
		<-release
		_ = s.done(q.id, 5, 0)
	}}).start(t)
	w := newWorld(t)
	_, port, _ := strings.Cut(s.addr, ":")
	r := w.resolver(t)
	var all sync.WaitGroup
	for i := range 30 {
		w.put(t, fmt.Sprintf("_ldap._tcp.d%d.example. 60 IN SRV 0 0 %s ldap.b.example.", i, port))
		all.Go(func() { check(t, ask(t, r, fmt.Sprintf("x@d%d.example", i)), reason.NoCertificate) })
	}
	for range 8 {
		<-began
	}
	testnet.Until(t, func() bool { return w.count("_ldap._tcp.d29.example. SRV") > 0 })
	if n := len(began); n != 0 {
		t.Errorf("%d more than eight at once", n)
	}
	close(release)
	all.Wait()
}
