package discovery_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/trust/discovery"
	"postern/trust/reason"
)

// CD-30: many recipients at a domain whose name servers are dead cost as much as a
// few, and keep nobody else waiting.
func TestCD30_DeadDomainIsWaitedForOnce(t *testing.T) {
	w := newWorld(t)
	w.kill("dead.example.")
	const recipients = 200
	for i := range recipients {
		w.cert(t, fmt.Sprintf("r%d.live.example", i), discovery.CertPKIX, []byte("garbage")) // found, if of no use
	}
	r := w.resolver(t)
	var all sync.WaitGroup
	dead := make([]discovery.Result, recipients)
	for i := range recipients {
		all.Go(func() { dead[i] = ask(t, r, fmt.Sprintf("r%d@dead.example", i)) })
	}
	for i := range recipients {
		check(t, ask(t, r, fmt.Sprintf("r%d@live.example", i)), reason.NoCertificate)
	}
	all.Wait()
	spared := 0
	for _, got := range dead {
		check(t, got, reason.DiscoveryTimeout)
		last := got.Steps[0]
		if strings.HasPrefix(last.Outcome, "not asked: the name servers of dead.example gave no answer") {
			spared++
			if got.Questions != 0 || !last.Cached || last.Left <= 0 || last.Answer != discovery.AnswerNotAsked {
				t.Errorf("spared with %d questions: %+v", got.Questions, last)
			}
		}
	}
	if spared < recipients-8 { // those that ran side by side
		t.Errorf("%d of %d were spared", spared, recipients)
	}
	if n := w.count(".dead.example. CERT"); n > 16 {
		t.Errorf("%d names of the dead domain were asked for", n)
	}
}

func TestCD30_DeadDomainIsAskedAgain(t *testing.T) {
	t.Parallel() // it waits for silence
	w := newWorld(t)
	w.kill("dead.example.")
	r := w.resolver(t)
	n := 0
	next := func() discovery.Result {
		n++
		return ask(t, r, fmt.Sprintf("r%d@dead.example", n))
	}
	asked := func(what string, want bool) {
		t.Helper()
		before := w.count(".dead.example. CERT")
		got := next()
		check(t, got, reason.DiscoveryTimeout)
		if is := w.count(".dead.example. CERT") > before; is != want {
			t.Errorf("%s: asked %v; steps %+v", what, is, got.Steps)
		}
	}
	asked("first", true)
	w.pass(29 * time.Second)
	asked("within half a minute", false)
	w.pass(2 * time.Second)
	asked("after half a minute", true)
	w.pass(59 * time.Second)
	asked("within a minute", false)
	w.pass(2 * time.Second)
	asked("after a minute", true)
	w.pass(119 * time.Second)
	asked("within two minutes", false)
	w.pass(2 * time.Second)
	asked("after two minutes", true)
	w.pass(119 * time.Second)
	asked("the pause grows no more", false)

	w.kill("")
	w.cert(t, "dead.example", discovery.CertPKIX, newAuthority(t).leaf("domain").Raw)
	asked("it is back, and nobody knows", false)
	check(t, askAnew(t, r, "anew@dead.example"), reason.OK, place{"domain", discovery.DNSDomain})
	check(t, next(), reason.OK, place{"domain", discovery.DNSDomain})
}

// A domain that an operator has asked again is asked by whoever is next, also for
// whom it gave no answer before; dead still, it is left alone for the longer pause.
func TestCD30_DeadDomainIsAskedAgainOnOrder(t *testing.T) {
	t.Parallel() // it waits for silence
	w := newWorld(t)
	w.kill("dead.example.")
	r := w.resolver(t)
	d := address(t, "r@dead.example").Domain()
	r.AskAgain(d) // of which nothing is known
	check(t, ask(t, r, "r@dead.example"), reason.DiscoveryTimeout)
	w.pass(time.Second)
	r.AskAgain(d)
	before := w.count("dead.example. CERT")
	check(t, ask(t, r, "r@dead.example"), reason.DiscoveryTimeout)
	if w.count("dead.example. CERT") == before {
		t.Error("it was not asked")
	}
	w.kill("")
	w.cert(t, "dead.example", discovery.CertPKIX, newAuthority(t).leaf("domain").Raw)
	w.pass(59 * time.Second)
	check(t, ask(t, r, "r@dead.example"), reason.DiscoveryTimeout)
	r.AskAgain(d)
	check(t, ask(t, r, "r@dead.example"), reason.OK, place{"domain", discovery.DNSDomain})
}

// What is kept of a dead domain serves as long as it may.
func TestCD30_DeadDomainServesWhatIsKept(t *testing.T) {
	w := newWorld(t)
	w.cert(t, "bob.b.example", discovery.CertPKIX, newAuthority(t).leaf("bob").Raw)
	r := w.resolver(t)
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
	w.kill("b.example.")
	check(t, ask(t, r, "carol@b.example"), reason.DiscoveryTimeout)
	before := w.count("")
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
	check(t, ask(t, r, "dan@b.example"), reason.DiscoveryTimeout)
	if n := w.count("") - before; n != 0 {
		t.Errorf("%d questions to a dead domain", n)
	}
	if s := r.Stats(); s.Spared != 1 || s.Found != 2 || s.Later != 2 {
		t.Errorf("counts %+v", s)
	}
}

// Only silence of all its servers makes a domain dead.
func TestCD9_DomainsThatAreNotDead(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"one name fails":   func(w *world) { w.fail("alice.b.example. CERT", dns.RcodeServerFailure) },
		"SRV fails":        func(w *world) { w.fail("_ldap._tcp.b.example. SRV", -1) },
		"the domain fails": func(w *world) { w.fail("b.example. CERT", -1) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			set(w)
			r := w.resolver(t)
			check(t, ask(t, r, alice), reason.DiscoveryTimeout)
			w.cert(t, "bob.b.example", discovery.CertPKIX, newAuthority(t).leaf("bob").Raw)
			check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
		})
	}
	t.Run("the caller left", func(t *testing.T) {
		w := newWorld(t)
		w.kill("b.example.")
		r := w.resolver(t)
		ctx, leave := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer leave()
		check(t, r.Find(ctx, discovery.Request{Address: address(t, alice)}), reason.DiscoveryTimeout)
		w.kill("")
		w.cert(t, "bob.b.example", discovery.CertPKIX, newAuthority(t).leaf("bob").Raw)
		check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
	})
}

// CD-9, CD-30: DNS that says nothing to one kind of question leaves time for the
// other ways.
func TestCD9_SilenceOnCERTLeavesTimeForDirectories(t *testing.T) {
	s := (&server{entries: map[string][]string{alice: raw(newAuthority(t).leaf("alice"))}}).start(t)
	w, r := directories(t, s)
	w.fail("alice.b.example. CERT", -1)
	w.fail("b.example. CERT", -1)
	r.DNS.TryTimeout = time.Hour // only the budget ends them
	r.Budget = 3 * time.Second
	check(t, ask(t, r, alice), reason.OK, place{"alice", discovery.LDAPAddress})
}

// One domain has so many places and no more; the rest wait, within their budget.
func TestPlacesAreShared(t *testing.T) {
	began, release := make(chan string, 100), make(chan struct{})
	s := (&server{answer: func(s *session, q search) {
		began <- q.text()
		<-release
		_ = s.done(q.id, 5, 0)
	}}).start(t)
	w, r := directories(t, s)
	w.cert(t, "c.example", discovery.CertPKIX, newAuthority(t).leaf("c").Raw)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() { check(t, ask(t, r, fmt.Sprintf("r%d@b.example", i)), reason.NoCertificate) })
	}
	for range 4 {
		<-began
	}
	check(t, ask(t, r, "x@c.example"), reason.OK, place{"c", discovery.DNSDomain})
	late, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	got := r.Find(late, discovery.Request{Address: address(t, "late@b.example")})
	check(t, got, reason.DiscoveryTimeout)
	if got.Steps[0].Answer != discovery.AnswerNotAsked || w.count("late.b.example. CERT") != 0 {
		t.Errorf("steps %+v", got.Steps)
	}
	if n := len(began); n != 0 {
		t.Errorf("%d more than four at once", n)
	}
	close(release)
	all.Wait()
}
