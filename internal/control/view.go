package control

import (
	"context"
	"errors"
	"time"

	"postern/internal/gateway"
	"postern/store"
)

// A view is what a removal finds in its own transaction: our addresses, with the keys that
// the store alone has not parsed, and what waits for them. Nothing comes between what it
// says and what is then removed.
type view struct {
	store.Tx
	dir *gateway.Directory
	// damage is why the addresses cannot be read; dir is nil then.
	damage error
	now    time.Time
}

// eachJob calls fn for what waits.
func (v *view) eachJob(fn func(store.Job)) error {
	if v.damage != nil {
		return v.damage
	}
	return v.EachJob(1, func(j store.Job) bool {
		if (picker{}).picks(j) {
			fn(j)
		}
		return true
	})
}

// maxViews bounds the tries to find the addresses as the transaction sees them.
const maxViews = 10

// errMoved says that our addresses changed between two transactions.
var errMoved = errors.New("the addresses change all the time")

// remove is change with a view.
func (s *Service) remove(ctx context.Context, object, detail string, fn func(*view) error) error {
	var err error
	for range maxViews {
		v := view{now: s.Core.Now()}
		v.dir, v.damage = s.Core.Directory(ctx)
		if v.damage != nil && !errors.Is(v.damage, store.ErrCorrupt) {
			return v.damage
		}
		err = s.change(ctx, object, detail, func(tx store.Tx) error {
			if v.damage == nil {
				current, err := v.dir.IsOf(tx)
				if err != nil {
					return err
				}
				if !current {
					return errMoved
				}
			}
			v.Tx = tx
			return fn(&v)
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return err
}
