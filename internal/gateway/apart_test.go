package gateway

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/gateway/task"
	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A slowFinder takes its time for one domain, unless it is cut off.
type slowFinder struct {
	*world
	domain mime.Domain
	takes  time.Duration
	asked  atomic.Int32
}

func (f *slowFinder) Find(ctx context.Context, r discovery.Request) discovery.Result {
	if r.Address.Domain() == f.domain {
		f.asked.Add(1)
		if !task.Pause(ctx, f.takes) {
			return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "%w", ctx.Err())}
		}
	}
	return f.world.Find(ctx, r)
}

// A message to several domains does not wait for its slowest look-up.
func TestASlowDomainHoldsUpNobodyElse(t *testing.T) {
	for name, takes := range map[string]time.Duration{"slow": 40 * time.Second, "quick": patience - time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				a.accounts("alice@a.example")
				w.site("b.example")
				w.site("c.example")
				find := &slowFinder{world: w, domain: "c.example", takes: takes}
				a.Finder = find
				stop := a.work()
				id := a.submit(message("alice@a.example", "bob@b.example>, <carol@c.example"), "alice@a.example", "bob@b.example", "carol@c.example")
				time.Sleep(patience + time.Second)
				synctest.Wait()
				want, lookups := []string{"bob@b.example relayed", "carol@c.example relayed"}, int32(1)
				if name == "slow" {
					equal(t, "states after a moment", a.states(id), []string{"bob@b.example relayed", "carol@c.example queued"})
					equal(t, "jobs", len(a.jobs()), 1)
					j := a.jobs()[0]
					equal(t, "lane", j.Lane, "c.example")
					equal(t, "for", j.Recipients, addrs(t, "carol@c.example"))
					equal(t, "attempts", j.Attempts, 0)
					lookups = 2
				}
				time.Sleep(takes)
				synctest.Wait()
				stop()
				equal(t, "states", a.states(id), want)
				equal(t, "jobs left", len(a.jobs()), 0)
				equal(t, "look-ups", find.asked.Load(), lookups)
				equal(t, "down", len(a.DownLanes()), 0)
				closeStores(w)
			})
		})
	}
}

// searched is a result for which servers were asked.
func searched(err *reason.Error) discovery.Result {
	return discovery.Result{Err: err, Steps: []discovery.Step{{Query: "x"}}}
}

// severalDomains is a site with a message to one domain that works and two whose
// servers do not answer.
func severalDomains(t *testing.T) (*world, *site, store.TrackID) {
	t.Helper()
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		return searched(reason.New(reason.DiscoveryTimeout, "SERVFAIL")), r.Address.Domain() != "b.example"
	}
	id := a.submit(message("alice@a.example", "bob@b.example>, <cid@c.example>, <dan@d.example"), "alice@a.example",
		"bob@b.example", "cid@c.example", "dan@d.example", "hidden@c.example")
	return w, a, id
}

// What has to be tried again is a job for each domain, and each fails or succeeds
// by itself.
func TestDomainsAreTriedAgainApart(t *testing.T) {
	w, a, id := severalDomains(t)
	a.doStep(t.Context(), a.jobs()[0], a.seal)
	jobs := a.jobs(store.SealJob)
	equal(t, "jobs", len(jobs), 2)
	equal(t, "first lane", jobs[0].Lane, "c.example")
	equal(t, "first", jobs[0].Recipients, addrs(t, "cid@c.example", "hidden@c.example"))
	equal(t, "second lane", jobs[1].Lane, "d.example")
	equal(t, "second", jobs[1].Recipients, addrs(t, "dan@d.example"))
	for _, j := range jobs {
		equal(t, "attempts", j.Attempts, 1)
		equal(t, "due", j.Due, a.Steady().Add(firstRetry))
		equal(t, "track", j.Track, id)
		equal(t, "blind", j.Blind, addrs(t, "hidden@c.example"))
	}
	w.site("c.example")
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		return searched(reason.New(reason.DiscoveryTimeout, "SERVFAIL")), r.Address.Domain() == "d.example"
	}
	w.clock.advance(firstRetry)
	a.run()
	equal(t, "states", a.states(id), []string{"bob@b.example relayed", "cid@c.example relayed",
		"dan@d.example queued discovery-timeout", "hidden@c.example relayed"})
	report, err := a.Store.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("%v %v", report.Problems, err)
	}
}

// A domain whose servers do not answer is left alone as a destination is, and what
// expires meanwhile is not looked up again.
func TestALookupThatFailsPausesItsDomain(t *testing.T) {
	w, a, id := severalDomains(t)
	var lookups atomic.Int32
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		lookups.Add(1)
		return searched(reason.New(reason.DiscoveryTimeout, "SERVFAIL")), true
	}
	for range breakAfter {
		a.run()
		w.clock.advance(a.jobs(store.SealJob)[0].Due.Sub(a.Steady()))
	}
	var lanes []string
	for _, l := range a.DownLanes() {
		lanes = append(lanes, string(l.Kind)+" "+l.Lane+" "+l.Reason)
	}
	equal(t, "down", lanes, []string{"seal b.example discovery-timeout", "seal c.example discovery-timeout", "seal d.example discovery-timeout"})
	lookups.Store(0)
	w.clock.advance(a.RetryFor)
	a.run()
	equal(t, "look-ups", lookups.Load(), 0)
	equal(t, "states", a.states(id), []string{"bob@b.example failed discovery-timeout", "cid@c.example failed discovery-timeout",
		"dan@d.example failed discovery-timeout", "hidden@c.example failed discovery-timeout"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 3) // one for each domain
	equal(t, "jobs left", len(a.jobs()), 0)
}

// What was known already says nothing of a domain's servers.
func TestACachedAnswerOpensNoDomain(t *testing.T) {
	a := newWorld(t).bare("a.example")
	to := addr(t, "bob@b.example")
	failing := Route{Recipient: to, Code: reason.DiscoveryTimeout, Discovery: searched(reason.New(reason.DiscoveryTimeout, "SERVFAIL"))}
	for range breakAfter {
		a.observeLookups([]Route{failing})
	}
	equal(t, "down", len(a.DownLanes()), 1)
	a.observeLookups([]Route{{Recipient: to, Discovery: discovery.Result{Steps: []discovery.Step{{Cached: true}}}}})
	equal(t, "down after a cached answer", len(a.DownLanes()), 1)
	a.observeLookups([]Route{failing, {Recipient: to, Discovery: searched(nil)}})
	equal(t, "down after an answer", len(a.DownLanes()), 0)
}

// CD-31: a directory that is silent is waited for in two attempts, and holds up
// nobody else of its domain; one that refuses is as good as empty at once.
func TestCD31_ASilentDirectoryIsAskedAgain(t *testing.T) {
	for answer, attempts := range map[discovery.Answer]int{discovery.AnswerTimeout: 3, discovery.AnswerUnreachable: 1, discovery.AnswerNoEntry: 1} {
		t.Run(string(answer), func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			a.accounts("alice@a.example")
			asked := 0
			w.find = func(discovery.Request) (discovery.Result, bool) {
				asked++
				return discovery.Result{Err: reason.New(reason.NoCertificate, "no answer within 6s"), Steps: []discovery.Step{
					{Source: discovery.DNSDomain, Answer: discovery.AnswerNoRecord}, {Source: discovery.LDAPDomain, Answer: answer},
				}}, true
			}
			id := a.submit(message("alice@a.example", "cid@c.example"), "alice@a.example", "cid@c.example")
			waited := time.Duration(0)
			for n := range attempts {
				a.run()
				equal(t, "asked", asked, n+1)
				if n < attempts-1 {
					equal(t, "states", a.states(id), []string{"cid@c.example queued discovery-timeout"})
					next := a.jobs(store.SealJob)[0].Due.Sub(a.Steady())
					waited += next
					w.clock.advance(next)
				}
			}
			equal(t, "states in the end", a.states(id), []string{"cid@c.example failed no-certificate"})
			equal(t, "failures of the domain", a.breakerOf(sealLane("c.example")).failures, 0)
			equal(t, "notices", len(a.inbox("alice@a.example")), 1)
			equal(t, "waited", waited, time.Duration(attempts/2)*90*time.Second)
		})
	}
}
