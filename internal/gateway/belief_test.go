package gateway

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// What a domain's certificates cost is spent once for all of its recipients, and
// never on those of another.
func TestRecipientsOfADomainAreJudgedTogether(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	dir, err := a.Directory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	of := make(map[mime.Domain]map[*judged]bool)
	to := addrs(t, "x@b.example", "y@b.example", "x@c.example", "z@b.example")
	routes, err := a.sideBySide(t.Context(), to, func(to mime.Address, known *judged) Route {
		r := a.routeBeside(t.Context(), dir, "a.example", to, a.Now(), known)
		mu.Lock()
		defer mu.Unlock()
		if of[to.Domain()] == nil {
			of[to.Domain()] = make(map[*judged]bool)
		}
		of[to.Domain()][known] = true
		return r
	})
	if err != nil || !routes[0].Code.IsOK() || len(of["b.example"]) != 1 || len(of["c.example"]) != 1 {
		t.Fatalf("%v, %s, memos %v", err, routes[0].Code, of)
	}
	for known := range of["b.example"] {
		if reflect.ValueOf(&known.memo).Elem().IsZero() || of["c.example"][known] {
			t.Error("the memo was not used, or by another domain")
		}
	}
}

// Judging leaves a part of the processor to others, and who waits can be stopped.
func TestJudgingWaitsItsTurn(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	for a.judging.TryAcquire(1) {
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	leaf := w.root.Leaf("b.example")
	p := trust.Params{Address: addrs(t, "x@b.example")[0], Anchors: trust.NewAnchors(testnet.Certs(w.root)), At: a.Now()}
	s := a.selectFor(ctx, p, testnet.Certs(leaf), new(judged))
	if s.Code != reason.Internal || s.Valid != nil {
		t.Errorf("beside others: %s", s.Code)
	}
	a.judging.Release(1)
	s = a.selectFor(t.Context(), p, testnet.Certs(leaf), new(judged))
	if !s.Code.IsOK() || !a.judging.TryAcquire(1) {
		t.Errorf("alone: %s", s.Code)
	}
}
