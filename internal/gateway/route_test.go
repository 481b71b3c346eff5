package gateway

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// old has a result come from the cache.
func old(r discovery.Result, age time.Duration) discovery.Result {
	r.Cached, r.Steps = true, []discovery.Step{{Cached: true, Age: age}}
	return r
}

// CD-12: a partner who renews a certificate, or publishes the first, loses no
// message to what we learnt before: it is looked for anew, once, before anything is
// refused for good.
func TestCD12_WhatWasFoundEarlierAloneRefusesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	ended := published(w.root.Leaf("b.example", testnet.Valid(-48*time.Hour, -time.Hour)))
	nothing := discovery.Result{Err: reason.New(reason.NoCertificate, "nothing")}
	later := discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "silence")}
	renewed := published(w.root.Leaf("b.example"))
	for name, c := range map[string]struct {
		kept, fresh discovery.Result
		state       string
		asked       int
	}{
		"renewed":          {old(ended, time.Minute), renewed, "relayed", 2},
		"still ended":      {old(ended, time.Minute), ended, "failed expired", 2},
		"published":        {old(nothing, time.Minute), renewed, "relayed", 2},
		"asked just now":   {old(nothing, time.Second), renewed, "failed no-certificate", 1},
		"asked":            {nothing, renewed, "failed no-certificate", 1},
		"may pass anyway":  {old(later, time.Minute), renewed, "queued discovery-timeout", 1},
		"good as it stood": {old(renewed, time.Hour), ended, "relayed", 1},
	} {
		asked := 0
		w.find = func(r discovery.Request) (discovery.Result, bool) {
			asked++
			if r.Fresh {
				return c.fresh, true
			}
			return c.kept, true
		}
		id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.run()
		equal(t, name, a.states(id), []string{"bob@b.example " + c.state})
		equal(t, name+": asked", asked, c.asked)
	}
}

// A recipient whose domain does not answer holds up none of the same message: all
// are looked up at once, however many there are.
func TestRecipientsAreLookedUpSideBySide(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	const silent = 100
	var waiting sync.WaitGroup
	waiting.Add(silent + 1)
	all := make(chan struct{})
	go func() { waiting.Wait(); close(all) }()
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		waiting.Done()
		select {
		case <-all: // nobody gets on before everybody has begun
		case <-time.After(10 * time.Second):
			t.Errorf("%s is looked up alone", r.Address)
		}
		if r.Address.Domain() == "b.example" {
			return published(w.root.Leaf("b.example")), true
		}
		return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "silence")}, true
	}
	to := make([]string, silent, silent+1)
	for i := range to {
		to[i] = fmt.Sprintf("r%d@dead.example", i)
	}
	to = append(to, "bob@b.example")
	id := a.submit(message("alice@a.example", strings.Join(to, ">, <")), "alice@a.example", to...)
	a.run()
	if states := a.states(id); !slices.Contains(states, "bob@b.example relayed") || len(states) != silent+1 {
		t.Errorf("%d states, %q…", len(states), states[:2])
	}
}
