package mailbox

import (
	"context"
	"errors"

	"postern/store"
)

// Outlines implements pickup.Mailbox. One that was changed is as good as none.
func (b *mailbox) Outlines(ctx context.Context, bodies []uint64) (map[uint64][]byte, error) {
	found := make(map[uint64][]byte, len(bodies))
	err := b.store.View(ctx, func(tx store.Tx) error {
		for _, id := range bodies {
			kept, err := tx.Structure(store.BodyID(id))
			switch {
			case err == nil:
				found[id] = kept
			case !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrCorrupt):
				return err
			}
		}
		return nil
	})
	return found, translate(err)
}

// KeepOutlines implements pickup.Mailbox.
func (b *mailbox) KeepOutlines(ctx context.Context, outlines map[uint64][]byte) error {
	err := noRoom(b.options.Room())
	if err != nil {
		return err
	}
	return translate(b.store.Update(ctx, func(tx store.Tx) error {
		for id, kept := range outlines {
			err := tx.PutStructure(store.BodyID(id), kept)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	}))
}
