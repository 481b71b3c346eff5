package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/gateway"
	"postern/store"
)

// A view is what a removal finds in its own transaction: our addresses and what waits for
// them. Nothing comes between what it says and what is then removed.
type view struct {
	store.Tx
	dir *gateway.Directory // nil where it cannot be read, for damage
	now time.Time
}

// eachJob calls fn for what waits.
func (v *view) eachJob(fn func(store.Job)) error {
	return v.EachJob(1, func(j store.Job) bool {
		if (picker{}).picks(j) {
			fn(j)
		}
		return true
	})
}

// A removal is what goes.
type removal struct {
	object, detail string // for the audit trail
	untold         bool   // whatever waits for it
	instead        string // what to do first, where that waits
}

// remove carries a removal out by fn, which may look at the view. It is undone where
// messages wait of which nobody could be told afterwards, or that nothing would open; what
// cannot be read for damage may be such.
func (s *Service) remove(ctx context.Context, r removal, fn func(*view) error) error {
	return s.change(ctx, r.object, r.detail, func(tx store.Tx) error {
		v := &view{Tx: tx, now: s.Core.Now()}
		var err error
		v.dir, err = s.Core.DirectoryIn(tx)
		if r.untold {
			if err != nil && !errors.Is(err, store.ErrCorrupt) {
				return err
			}
			return fn(v)
		}
		if err != nil {
			return unseen(err)
		}
		awaited, err := v.awaited()
		if err != nil {
			return unseen(err)
		}
		before := make([]means, len(awaited))
		for i, a := range awaited {
			before[i], err = v.meansOf(a)
			if err != nil {
				return unseen(err)
			}
		}
		err = fn(v)
		if err != nil || len(awaited) == 0 {
			return err
		}
		v.dir, err = s.Core.DirectoryIn(tx)
		if err != nil {
			return err
		}
		return v.untold(r.instead, awaited, before)
	})
}

// unseen refuses a removal of which it cannot be known what waits for it.
func unseen(err error) error {
	if !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	return &Error{Kind: Negative, Message: fmt.Sprintf("what waits for it cannot be read: %v", err),
		Hint: "postern store check names the damage; --untold removes it all the same"}
}
