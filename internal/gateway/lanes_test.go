package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// hanging sends to a domain that never answers, and to all others at once.
type hanging struct {
	Sender
	domain mime.Domain
}

func (h hanging) Send(ctx context.Context, d smtp.Delivery) []smtp.Result {
	if d.Destination != h.domain {
		return h.Sender.Send(ctx, d)
	}
	wait(ctx)
	return said(d, reason.PeerUnreachable)
}

func wait(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	<-ctx.Done()
}

// hangingFinder is a resolver that is silent about a domain.
type hangingFinder struct {
	Finder
	domain mime.Domain
}

func (h hangingFinder) Find(ctx context.Context, r discovery.Request) discovery.Result {
	if r.Address.Domain() != h.domain {
		return h.Finder.Find(ctx, r)
	}
	wait(ctx)
	return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "silence")}
}

// A peer or a resolver that hangs holds up its own mail alone.
func TestHangingDomainHoldsUpNobodyElse(t *testing.T) {
	for name, hang := range map[string]func(*site){
		"peer":     func(a *site) { a.Sender = hanging{a.Sender, "b.example"} },
		"resolver": func(a *site) { a.Finder = hangingFinder{a.Finder, "b.example"} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				w.site("b.example")
				w.site("c.example")
				a.accounts("alice@a.example", "local@a.example")
				hang(a)
				for range 200 {
					a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
				}
				stop := a.work()
				synctest.Wait()
				away := a.submit(message("alice@a.example", "carol@c.example"), "alice@a.example", "carol@c.example")
				home := a.submit(message("alice@a.example", "local@a.example"), "alice@a.example", "local@a.example")
				time.Sleep(30 * time.Second) // until the patience with all of them is over
				synctest.Wait()
				equal(t, "another domain's", a.states(away), []string{"carol@c.example relayed"})
				equal(t, "our own", a.states(home)[0][:24], "local@a.example processe")
				stop()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				left := len(a.jobs())
				for _, j := range a.jobs() {
					a.Store.Limit(j.Kind, store.Limits{})
					_, err := a.Store.Claim(ctx, j.Kind)
					if err != nil {
						t.Fatalf("a job stayed claimed: %v", err)
					}
				}
				equal(t, "waiting", left, 200)
				closeStores(w)
			})
		})
	}
}

// Whoever owns a zone, or an account, has as many domains as he likes.
func TestManyHangingDomainsHoldUpNobodyElse(t *testing.T) {
	for name, domain := range map[string]string{"of one zone": "s%d.evil.example", "of one sender": "evil%d.example"} {
		t.Run(name, func(t *testing.T) { anotherIsServed(t, domain, func(*site) {}) })
	}
}

// anotherIsServed gives a site more messages than it has workers, to domains whose
// search hangs; %d in them is a number. Then another's message goes at once.
func anotherIsServed(t *testing.T, domains string, meanwhile func(*site)) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("c.example")
		a.accounts("alice@a.example", "dora@a.example")
		a.Finder = hangingFinders{a.Finder}
		for i := range 2 * leastOfWorkers {
			to := "x@" + strings.ReplaceAll(domains, "%d", fmt.Sprint(i))
			a.submit(message("alice@a.example", to), "alice@a.example", to)
		}
		meanwhile(a)
		stop := a.work()
		synctest.Wait()
		id := a.submit(message("dora@a.example", "carol@c.example"), "dora@a.example", "carol@c.example")
		synctest.Wait()
		equal(t, "another's", a.states(id), []string{"carol@c.example relayed"})
		stop()
		closeStores(w)
	})
}

// hangingFinders are resolvers that are silent about all domains with evil.
type hangingFinders struct{ Finder }

func (h hangingFinders) Find(ctx context.Context, r discovery.Request) discovery.Result {
	d := r.Address.Domain()
	if !strings.Contains(string(d), "evil") {
		return h.Finder.Find(ctx, r)
	}
	return hangingFinder{h.Finder, d}.Find(ctx, r)
}

// More mail for one domain than has room at once all goes out.
func TestLanesLetEverythingThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("b.example")
		w.site("c.example")
		a.accounts("alice@a.example")
		const n = 60
		for i := range n {
			to := [][]string{{"bob@b.example"}, {"carol@c.example"}, {"bob@b.example", "carol@c.example"}, {"carol@c.example", "bob@b.example"}}[i%4]
			head := to[0]
			if len(to) > 1 {
				head += ">, <" + to[1]
			}
			a.submit(message("alice@a.example", head), "alice@a.example", to...)
		}
		stop := a.work()
		synctest.Wait()
		sent, _ := a.taken()
		equal(t, "sent", len(sent), n/4*6)
		equal(t, "jobs left", len(a.jobs()), 0)
		stop()
		closeStores(w)
	})
}

// What is past its time after an outage of ours has its last attempt like any other,
// and takes no more room than any other.
func TestExpiredMessagesHoldUpNobodyElse(t *testing.T) {
	for name, domain := range map[string]string{"of one domain": "evil.example", "of one sender": "evil%d.example"} {
		t.Run(name, func(t *testing.T) {
			anotherIsServed(t, domain, func(a *site) {
				a.rewrite(a.jobs(), func(j *store.Job) { j.Lane = string(j.Recipients[0].Domain()) })
				time.Sleep(a.RetryFor + time.Hour)
			})
		})
	}
}

func TestZoneOf(t *testing.T) {
	for domain, want := range map[mime.Domain]string{"a.b.example": "b.example", "b.example": "b.example", "example": "example"} {
		equal(t, string(domain), zoneOf(domain), want)
	}
}

// The limits of a destination are those of the configuration, and leave room for
// others in its zone and beyond.
func TestOutwardLimits(t *testing.T) {
	for _, width := range []int{1, 8, 1000} {
		workers, l := outward(width)
		slots := l.Lane("mx.b.example")
		equal(t, "destination", slots[0], store.Slot{Name: "domain mx.b.example", Width: width})
		equal(t, "zone", slots[1].Name, "zone b.example")
		if slots[1].Width <= width || workers <= slots[1].Width || workers <= l.Flow || l.Flow < width {
			t.Errorf("of %d: zone %d, flow %d, workers %d", width, slots[1].Width, l.Flow, workers)
		}
		equal(t, "without a lane", len(l.Lane("")), 0)
	}
}

// Jobs are made with what they wait for and whose they are: outgoing ones are
// their senders', incoming ones those of the network that they come from.
func TestJobsHaveLanesAndFlows(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	b := w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	equal(t, "submitted", lanesOf(a, store.SealJob), []string{" alice@a.example"})
	a.run1(store.SealJob)
	equal(t, "sealed", lanesOf(a, store.RelayJob), []string{"b.example alice@a.example"})
	a.run1(store.RelayJob)
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	equal(t, "received", lanesOf(b, store.OpenJob), []string{" 192.0.2.0/24"})
	b.run1(store.OpenJob)
	equal(t, "answered", lanesOf(b, store.SealJob), []string{" bob@b.example"})
}

func lanesOf(s *site, kind store.JobKind) (all []string) {
	for _, j := range s.jobs(kind) {
		all = append(all, j.Lane+" "+j.Flow)
	}
	return all
}

// run1 does the step of the one job of a kind.
func (s *site) run1(kind store.JobKind) {
	s.t.Helper()
	s.doStep(s.t.Context(), s.jobs(kind)[0], s.stepOf(kind))
}
