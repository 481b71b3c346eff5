package gateway

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"postern/store"
)

// A racing store lets something happen just before its first transaction.
type racing struct {
	store.Store
	done   atomic.Bool
	before func()
}

func (r *racing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if !r.done.Swap(true) {
		r.before()
	}
	return r.Store.Update(ctx, fn)
}

// A repeating store calls every function twice, as Update may.
type repeating struct{ store.Store }

var errAgain = errors.New("again")

func (r repeating) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := r.Store.Update(ctx, func(tx store.Tx) error {
		err := fn(tx)
		if err != nil {
			return err
		}
		return errAgain
	})
	if !errors.Is(err, errAgain) {
		return err
	}
	return r.Store.Update(ctx, fn)
}

// A crashing store loses its transactions, as if the power went before the commit.
type crashing struct {
	store.Store
	spare int    // commits that are still made
	died  func() // unless nil, called when a transaction is lost
}

func (c *crashing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if c.spare > 0 {
		c.spare--
		return c.Store.Update(ctx, fn)
	}
	if c.died != nil {
		defer c.died()
	}
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		err := fn(tx)
		if err != nil {
			return err
		}
		return errAgain
	})
	return err
}

// crossed runs a message with a mixed fate through every step and returns what
// became of it.
func crossed(t *testing.T, wrap func(store.Store) store.Store) (states []string, alice, bob int) {
	t.Helper()
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example", "local@a.example")
	b.accounts("bob@b.example")
	a.Store, b.Store = wrap(a.Store), wrap(b.Store)
	to := []string{"bob@b.example", "local@a.example", "nobody@n.example"}
	id := a.submit(message("alice@a.example", "bob@b.example>, <local@a.example>, <nobody@n.example"), "alice@a.example", to...)
	w.runAll()
	for _, s := range w.sites {
		equal(t, "jobs left", len(s.jobs()), 0)
		report, err := s.Store.Check(t.Context())
		if err != nil || len(report.Problems) > 0 {
			t.Errorf("the store: %v, %v", report.Problems, err)
		}
	}
	return a.states(id), len(a.inbox("alice@a.example")), len(b.inbox("bob@b.example")) + len(a.inbox("local@a.example"))
}

func TestStepsDoneTwiceDoNothingNew(t *testing.T) {
	for name, wrap := range map[string]func(store.Store) store.Store{
		"once":                   func(s store.Store) store.Store { return s },
		"functions called twice": func(s store.Store) store.Store { return repeating{s} },
	} {
		t.Run(name, func(t *testing.T) {
			states, alice, bob := crossed(t, wrap)
			equal(t, "states", states, []string{"bob@b.example processed", "local@a.example processed", "nobody@n.example failed no-certificate"})
			equal(t, "alice's INBOX", alice, 3) // a DSN and two MDNs
			equal(t, "delivered", bob, 2)
		})
	}
}

// A step that is run again from its start, because the first run's commit was
// lost, delivers once.
func TestStepRunAgainAfterACrash(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	again := func(s *site, kind store.JobKind) {
		t.Helper()
		j := s.jobs(kind)[0]
		whole := s.Store
		ctx, die := context.WithCancel(t.Context())
		crash := &crashing{Store: whole, died: die}
		if kind == store.RelayJob {
			crash.spare = 1 // the write before sending
		}
		s.Store = crash
		err := s.stepOf(kind)(ctx, j)
		if !errors.Is(err, errAgain) {
			t.Fatalf("the %s step: %v", kind, err)
		}
		s.Store = whole
		equal(t, "jobs after the crash", len(s.jobs(kind)), 1)
		err = s.stepOf(kind)(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "jobs after the step", len(s.jobs(kind)), 0)
	}
	again(a, store.SealJob)
	again(a, store.RelayJob)
	sent, raw := a.taken()
	equal(t, "sent", len(sent), 2) // the crash came after the far side's 250
	w.carry(sent[0], raw[0])
	again(b, store.OpenJob)
	equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), 1)
	again(b, store.SealJob)
	again(b, store.RelayJob)
	sent, raw = b.taken()
	w.carry(sent[0], raw[0])
	again(a, store.OpenJob)
	equal(t, "state", a.states(id), []string{"bob@b.example processed"})
	equal(t, "alice's INBOX", len(a.inbox("alice@a.example")), 1)
}

// A damaged store has lost what was in its bodies.
type damaged struct{ store.Store }

func (damaged) OpenBody(context.Context, store.BodyID) (store.Body, error) {
	return nil, store.ErrCorrupt
}

// A message that can no longer be read is not forgotten: its sender is told.
func TestDamagedMessageIsTold(t *testing.T) {
	for _, kind := range []store.JobKind{store.SealJob, store.RelayJob} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t)
			a := w.site("a.example")
			w.site("b.example")
			a.accounts("alice@a.example")
			id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			if kind == store.RelayJob {
				a.doStep(t.Context(), a.jobs()[0], a.seal)
			}
			whole := a.Store
			a.Store = damaged{whole}
			a.run()
			equal(t, "it is tried again", a.jobs(kind)[0].Reason, "internal")
			w.clock.advance(a.RetryFor)
			a.run()
			a.Store = whole
			equal(t, "jobs left", len(a.jobs()), 0)
			equal(t, "state", a.states(id), []string{"bob@b.example failed queue-expired"})
			n := parseDSN(t, a.inbox("alice@a.example")[0])
			equal(t, "original", n.OriginalMessageID, "<m1@a.example>")
			sent, _ := a.taken()
			equal(t, "sent", len(sent), 0)
		})
	}
}
