package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"

	"postern/internal/audit"
)

// Rotate implements Store.
func (db *DB) Rotate(ctx context.Context, to KeyWrapper, records ...audit.Record) error {
	select { // two in one commit would each begin the same data key
	case db.rotating <- struct{}{}:
		defer func() { <-db.rotating }()
	case <-ctx.Done():
		return fmt.Errorf("changing the master key: %w", ctx.Err())
	}
	err := db.update(ctx, func(t *tx) error {
		for _, r := range records {
			err := t.Audit(r)
			if err != nil {
				return err
			}
		}
		return t.rotate(to)
	})
	if err != nil {
		return fmt.Errorf("changing the master key: %w", err)
	}
	return nil
}

// rotate writes another keyring, which is used once it is on the disk: what is
// sealed before then is sealed under a key that both hold.
func (t *tx) rotate(to KeyWrapper) error {
	old := t.db.ring.Load()
	next := &keyring{master: to, keys: maps.Clone(old.keys)}
	for id := range old.keys {
		next.active = max(next.active, id)
	}
	if next.active == math.MaxUint32 {
		return errors.New("there is no number left for a data key")
	}
	next.active++
	next.keys[next.active] = newDataKey()
	putIn := func(bucket string) func(k, v []byte) error {
		return func(k, v []byte) error { return t.put(bucket, k, v) }
	}
	t.then(func() { t.db.ring.Store(next) })
	return writeKeyring(next, putIn(bucketDataKeys), putIn(bucketMeta))
}

// MasterKeyID implements Store.
func (db *DB) MasterKeyID() string { return db.ring.Load().master.KeyID() }
