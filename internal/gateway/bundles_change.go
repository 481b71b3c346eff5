package gateway

import (
	"context"
	"fmt"

	"postern/store"
)

// A BundleChange makes a bundle what it is to be. It is called more than once,
// each time with the bundle as it is in the store, and must not write.
type BundleChange func(tx store.Tx, b *store.Bundle) error

// ChangeBundle gives a bundle another URL or signer. What is fetched by these
// takes the place of the anchors in the transaction that changes the bundle: none
// count that the new signer, or the new server, did not give. When the fetch fails
// that is in the result, as of RefreshBundles, and nothing has changed.
func (c *Core) ChangeBundle(ctx context.Context, name string, change BundleChange) (RefreshResult, error) {
	return c.bundles.changed(ctx, name, change)
}

func (r *refresher) changed(ctx context.Context, name string, change BundleChange) (RefreshResult, error) {
	f := &refreshing{refresher: r, change: change}
	err := r.store.View(ctx, func(tx store.Tx) (err error) {
		f.was, err = tx.Bundle(name)
		if err != nil {
			return err
		}
		f.bundle = f.was
		return change(tx, &f.bundle)
	})
	if err != nil {
		return RefreshResult{}, fmt.Errorf("changing bundle %s: %w", name, err)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return RefreshResult{}, context.Canceled
	}
	r.running.Add(1)
	r.mu.Unlock()
	defer r.running.Done()
	flight, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	result, err := f.fly(flight)
	if err == nil && result.Failure == BundleSuperseded && ctx.Err() != nil {
		err = ctx.Err()
	}
	r.wake()
	return result, err
}

// putChanged makes the change, if what was fetched is still what it asks for.
func (f *refreshing) putChanged(tx store.Tx, b *store.Bundle) error {
	err := f.change(tx, b)
	if err != nil {
		return err
	}
	if b.Definition() != f.bundle.Definition() {
		return errSuperseded
	}
	return tx.PutBundle(*b)
}
