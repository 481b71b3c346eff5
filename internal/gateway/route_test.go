package gateway

import (
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
)

// CD-12: a partner who renews a certificate loses no message to what we found
// before: it is looked for anew, once, before anything is refused for it.
func TestCD12_WhatWasFoundEarlierAloneRefusesNothing(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	ended := published(w.root.Leaf("b.example", testnet.Valid(-48*time.Hour, -time.Hour)))
	ended.Cached = true
	renewed := published(w.root.Leaf("b.example"))
	var asked []bool
	fresh := renewed
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		asked = append(asked, r.Fresh)
		if r.Fresh {
			return fresh, true
		}
		return ended, true
	}
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "renewed", a.states(id), []string{"bob@b.example relayed"})
	equal(t, "asked", asked, []bool{false, true})

	asked, fresh = nil, ended
	id = a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	equal(t, "still ended", a.states(id), []string{"bob@b.example failed expired"})
	equal(t, "asked", asked, []bool{false, true})
}
