package gateway

import (
	"context"
	"errors"
	"time"

	"postern/store"
	"postern/trust/evidence"
)

// Documents keeps what was fetched to judge certificates by in the store.
type Documents struct{ Store store.Store }

var _ evidence.Cache = Documents{}

// Load implements evidence.Cache.
func (d Documents) Load(ctx context.Context, key string) (evidence.Stored, bool, error) {
	var found store.Document
	err := d.Store.View(ctx, func(tx store.Tx) error {
		var err error
		found, err = tx.Document(key)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return evidence.Stored{}, false, nil
	}
	return evidence.Stored(found), err == nil, err
}

// Save implements evidence.Cache.
func (d Documents) Save(ctx context.Context, s evidence.Stored) error {
	return d.Store.Update(ctx, func(tx store.Tx) error { return tx.PutDocument(store.Document(s)) })
}

// Touch implements evidence.Cache.
func (d Documents) Touch(ctx context.Context, key string, used time.Time) error {
	return d.ifThere(ctx, func(tx store.Tx) error { return tx.TouchDocument(key, used) })
}

// Each implements evidence.Cache.
func (d Documents) Each(ctx context.Context, fn func(evidence.Stored) bool) error {
	return d.Store.View(ctx, func(tx store.Tx) error {
		return tx.EachDocument(func(s store.Document) bool { return fn(evidence.Stored(s)) })
	})
}

// Remove implements evidence.Cache.
func (d Documents) Remove(ctx context.Context, key string) error {
	return d.ifThere(ctx, func(tx store.Tx) error { return tx.RemoveDocument(key) })
}

func (d Documents) ifThere(ctx context.Context, change func(store.Tx) error) error {
	err := d.Store.Update(ctx, change)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
