package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/internal/fetch"
	"postern/mime"
	"postern/store"
)

// oneEvent queues an event of a hook and returns its job.
func (s *site) oneEvent(h store.Hook) store.Job {
	s.t.Helper()
	s.update(func(tx store.Tx) error { return s.raise(tx, h.Account, store.HookEvent{Type: store.HookFailed}) })
	all := s.jobs(store.HookJob)
	return all[len(all)-1]
}

// An event whose step fails for a reason of ours ends with its time, and is not tried
// for ever.
func TestAnEventThatAlwaysFailsEnds(t *testing.T) {
	_, a, _ := twoSites(t)
	_, h, _ := a.everything("alice@a.example")
	a.oneEvent(h)
	broken := func(context.Context, store.Job) error { panic(canary) }
	a.doStep(t.Context(), a.jobs(store.HookJob)[0], broken)
	equal(t, "jobs left", len(a.jobs(store.HookJob)), 1)
	a.clock().advance(a.RetryFor)
	a.doStep(t.Context(), a.jobs(store.HookJob)[0], broken)
	if s := a.hookState(h); len(a.jobs(store.HookJob)) != 0 || s.Lost != 1 || s.Waiting != 0 {
		t.Errorf("%d jobs, %+v", len(a.jobs(store.HookJob)), s)
	}
	if got := a.details(audit.Dropped); len(got) != 1 || !strings.Contains(got[0], "its time is over") {
		t.Errorf("the trail has %q", got)
	}
}

// An event that an operator drops is lost, which its hook tells, and nobody gets a notice
// of it.
func TestAnEventIsDropped(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	j := a.oneEvent(h)
	if err := a.Drop(t.Context(), j.ID, "operator", false, nil); err != nil {
		t.Fatal(err)
	}
	a.run()
	if s := a.hookState(h); s.Lost != 1 || s.Waiting != 0 || len(r.got) != 0 || len(a.inbox("alice@a.example")) != 0 || len(a.jobs()) != 0 {
		t.Errorf("%+v, %d told, %d notices", s, len(r.got), len(a.inbox("alice@a.example")))
	}
	if got := a.details(audit.Dropped); len(got) != 1 {
		t.Errorf("the trail has %q", got)
	}
}

// What is on its way to a hook is not dropped, for it would be told and the trail say that
// it was not; and what was held or dropped since it was claimed is not told.
func TestAnEventOnItsWay(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	j := a.oneEvent(h)
	r.answer = func(fetch.Post) (fetch.Reply, error) {
		err := a.Drop(t.Context(), j.ID, "operator", false, nil)
		if !errors.Is(err, ErrInWork) {
			t.Errorf("dropped while it is told: %v", err)
		}
		return fetch.Reply{Status: http.StatusNoContent}, nil
	}
	a.doStep(t.Context(), j, a.hook)
	if got := a.details(audit.Notified); len(got) != 1 || a.hookState(h).Delivered != 1 {
		t.Errorf("the trail has %q, %+v", got, a.hookState(h))
	}
	held := a.oneEvent(h)
	a.update(func(tx store.Tx) error {
		now := held
		now.Held = true
		return tx.Reschedule(now)
	})
	dropped := a.oneEvent(h)
	if err := a.Drop(t.Context(), dropped.ID, "operator", true, nil); err != nil {
		t.Fatal(err)
	}
	r.got = nil
	for _, j := range []store.Job{held, dropped} {
		a.doStep(t.Context(), j, a.hook)
	}
	if left := a.jobs(store.HookJob); len(r.got) != 0 || len(left) != 1 || !left[0].Held {
		t.Errorf("%d told, %+v left", len(r.got), left)
	}
}

// damagedHooks is a store whose hooks cannot be read.
type damagedHooks struct{ store.Store }

func (d damagedHooks) Update(ctx context.Context, fn func(store.Tx) error) error {
	return d.Store.Update(ctx, func(tx store.Tx) error { return fn(damagedHooksTx{tx}) })
}

func (d damagedHooks) View(ctx context.Context, fn func(store.Tx) error) error {
	return d.Store.View(ctx, func(tx store.Tx) error { return fn(damagedHooksTx{tx}) })
}

type damagedHooksTx struct{ store.Tx }

func (damagedHooksTx) Hook(mime.Address, string) (store.Hook, error) {
	return store.Hook{}, store.ErrCorrupt
}

func (damagedHooksTx) HooksOf(account mime.Address) ([]store.Hook, error) {
	return []store.Hook{{ID: "damaged", Account: account, Disabled: store.HookDamaged}}, nil
}

func (damagedHooksTx) HookState(mime.Address, string) (store.HookState, error) {
	return store.HookState{}, store.ErrCorrupt
}

// Mail waits for no hook, and so not for one that is damaged: it is delivered, and its
// events end with their time.
func TestADamagedHookHoldsUpNoMail(t *testing.T) {
	w, a, b := twoSites(t)
	_, mine, _ := a.everything("alice@a.example")
	_, his, _ := b.everything("bob@b.example")
	a.oneEvent(mine)
	b.oneEvent(his)
	sites := []*site{a, b}
	whole := []store.Store{a.Store, b.Store}
	for i, s := range sites {
		s.Store = damagedHooks{whole[i]}
	}
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	a.clock().advance(a.RetryFor + lastRetry)
	w.runAll()
	for i, s := range sites {
		s.Store = whole[i]
		equal(t, "jobs left", len(s.jobs()), 0)
	}
	equal(t, "in the mailbox", len(b.inbox("bob@b.example")), 1)
	if got := a.answersOf("alice@a.example"); !slices.Equal(got, []string{"processed"}) {
		t.Errorf("answers %q", got)
	}
	if s := a.hookState(mine); s.Lost != 1 {
		t.Errorf("%+v", s)
	}
}

// A dropped event is one of its hook: the record names it and who did it, and the message
// that it tells of is as it was.
func TestADroppedEventIsNotItsMessage(t *testing.T) {
	w, a, b := twoSites(t)
	r, h, _ := b.everything("bob@b.example")
	r.says(http.StatusInternalServerError)
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	in := b.tracksOf("<m1@a.example>")[0].ID
	before := b.events(in, store.StageQueue)
	j := b.jobs(store.HookJob)[0]
	if err := b.Drop(t.Context(), j.ID, "operator:7", false, nil); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", b.events(in, store.StageQueue), before)
	var got []audit.Record
	b.view(func(tx store.Tx) error {
		got = nil
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err == nil && e.Action == audit.Dropped {
				got = append(got, e.Record)
			}
			return true
		})
	})
	if len(got) != 1 || got[0].Actor != "operator:7" || got[0].Object != hookObject(h) || len(got[0].Parts) != 0 ||
		got[0].Detail != "arrived, event "+j.Event.ID+": dropped" {
		t.Errorf("the trail has %+v", got)
	}
}
