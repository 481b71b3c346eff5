package gateway

import (
	"context"
	"errors"
	"testing"

	"postern/store"
)

// edgeless is a store whose edges cannot be read.
type edgeless struct{ store.Store }

func (d edgeless) View(ctx context.Context, fn func(store.Tx) error) error {
	return d.Store.View(ctx, func(tx store.Tx) error { return fn(edgelessTx{tx}) })
}

type edgelessTx struct{ store.Tx }

func (edgelessTx) Edge(string) (store.Edge, error) { return store.Edge{}, store.ErrCorrupt }

// What nobody would be told of is not lost with an edge that cannot be read: it goes to
// the mailbox, as it does when the edge refuses it.
func TestWhatAnswersNobodyIsNotLostWithItsEdge(t *testing.T) {
	w, a, b := twoSites(t)
	a.pushes("a.example").isDown()
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	equal(t, "what waits", len(a.jobs(store.PushJob)), 1) // the notification
	equal(t, "bob's", len(b.inbox("bob@b.example")), 1)
	a.clock().advance(a.RetryFor)
	whole := a.Store
	a.Store = edgeless{whole}
	a.run()
	a.Store = whole
	equal(t, "jobs left", len(a.jobs()), 0)
	equal(t, "in the mailbox", len(a.inbox("alice@a.example")), 1)
	if report, err := a.Store.Check(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("%v, %q", err, report.Problems)
	}
}

// An opened message is not sealed, whatever its header says, and is not given out.
func TestAPushIsNoSealedMessage(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("b.example").isDown()
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	j := b.jobs(store.PushJob)[0]
	_, err := b.Original(t.Context(), j)
	if !errors.Is(err, ErrNotSealed) || MayBeSealed(j) {
		t.Error(err)
	}
}
