package mailbox

import (
	"context"
	"errors"
	"time"

	"postern/internal/gateway/proof"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// A proven is a store as a login writes to it. Whether that is still good is looked at in
// each transaction that writes: what a command brings takes its time to come, and the login
// may end meanwhile, or the account be somebody else's.
type proven struct {
	store.Store
	account mime.Address
	proof   string // of the login
	now     func() time.Time
}

// check is pickup.ErrRevoked where the login is no longer good.
func (p proven) check(tx store.Tx) error {
	err := proof.Check(tx, p.account, p.proof, p.now())
	if errors.Is(err, proof.ErrRevoked) {
		return pickup.ErrRevoked
	}
	return err
}

// Update implements store.Store.
func (p proven) Update(ctx context.Context, fn func(store.Tx) error) error {
	return p.Store.Update(ctx, func(tx store.Tx) error {
		err := p.check(tx)
		if err != nil {
			return err
		}
		return fn(tx)
	})
}
