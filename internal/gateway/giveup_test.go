package gateway

import (
	"context"
	"testing"

	"postern/store"
)

// A step that panics each time ends when the message's time is over, and each
// attempt can be seen in the track.
func TestStepThatAlwaysFailsEnds(t *testing.T) {
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
			broken := func(context.Context, store.Job) error { panic(canary) }
			before := len(a.events(id, string(kind)))
			a.doStep(t.Context(), a.jobs(kind)[0], broken)
			equal(t, "events of the attempt", len(a.events(id, string(kind)))-before, 1)
			equal(t, "jobs left", len(a.jobs(kind)), 1)
			w.clock.advance(a.RetryFor)
			a.Store = damaged{a.Store}
			a.doStep(t.Context(), a.jobs(kind)[0], broken)
			a.Store = a.Store.(damaged).Store
			equal(t, "jobs left", len(a.jobs()), 0)
			equal(t, "state", a.states(id), []string{"bob@b.example failed queue-expired"})
			n := parseDSN(t, a.inbox("alice@a.example")[0])
			equal(t, "original", n.OriginalMessageID, "<m1@a.example>")
			equal(t, "diagnostics", diagnostics(n), map[string]string{"bob@b.example": "failed 5.4.7 x-postern; queue-expired"})
		})
	}
}

// An incoming message that cannot be read is refused when its time is over, and
// kept.
func TestUnreadableIncomingMessageEnds(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	id := b.receive(raw, addr(t, "alice@a.example"), addrs(t, "bob@b.example")...)
	b.Store = damaged{b.Store}
	for n := 0; len(b.jobs(store.OpenJob)) > 0; n++ {
		if n > 200 {
			t.Fatal("it is tried for ever")
		}
		w.clock.advance(max(b.jobs()[0].Due.Sub(w.clock.Now()), 0))
		b.run()
	}
	equal(t, "state", b.states(id), []string{"bob@b.example refused internal"})
	equal(t, "kept", len(b.jobs(store.KeptJob)), 1)
	w.clock.advance(b.Care.KeepRefused)
	b.run()
	equal(t, "jobs left", len(b.jobs()), 0)
}
