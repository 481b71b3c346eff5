package mailbox

import (
	"context"
	"errors"

	"postern/pickup"
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

// A Draft is a body on its way into a mailbox. It makes its outline as it is written, so
// that nobody has to read it for a list.
type Draft struct {
	store.BodyWriter
	outliner *pickup.Outliner
	outline  []byte // once it is complete
}

// NewDraft begins a body in s.
func NewDraft(ctx context.Context, s store.Store) (*Draft, error) {
	w, err := s.NewBody(ctx)
	if err != nil {
		return nil, err
	}
	return &Draft{BodyWriter: w, outliner: pickup.NewOutliner()}, nil
}

// Write implements io.Writer.
func (d *Draft) Write(p []byte) (int, error) {
	n, err := d.BodyWriter.Write(p)
	if n > 0 {
		d.outliner.Write(p[:n])
	}
	return n, err
}

// Put makes the body part of the store, with its outline. It may be called again by a
// transaction that is run anew.
func (d *Draft) Put(tx store.Tx) (store.BodyID, error) {
	id, err := tx.PutBody(d.BodyWriter)
	if err != nil {
		return 0, err
	}
	if d.outline == nil {
		d.outline = d.outliner.Outline()
	}
	return id, tx.PutStructure(id, d.outline)
}
