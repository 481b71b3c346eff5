package gateway

import (
	"context"
	"errors"

	"postern/internal/admit"
	"postern/internal/audit"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// Audit writes a record in a transaction of its own, for what changes nothing in
// the store.
func (c *Core) Audit(ctx context.Context, r audit.Record) error {
	return c.Store.Update(ctx, func(tx store.Tx) error { return tx.Audit(r) })
}

// auditLogin records an attempt that was looked at. Nobody gets in without a
// trace: a login that cannot be recorded is to be tried again later. A wrong one is
// refused in any case.
func (c *Core) auditLogin(ctx context.Context, a login.Attempt, granted login.Grant, outcome error) error {
	ctx = context.WithoutCancel(ctx) // who goes away was here all the same
	from := a.Remote.Unmap()
	switch {
	case outcome == nil:
		err := c.Store.Update(ctx, func(tx store.Tx) error {
			return errors.Join(c.noteUse(tx, a, granted), tx.Audit(audit.Record{
				Actor: audit.Account(granted.Account.String()), Action: audit.LoggedIn,
				Detail: "from " + from.String() + " over " + string(a.Service) + byWhat(a, granted),
			}))
		})
		if err != nil {
			return reason.New(reason.Busy, "recording a login: %w", err)
		}
	case reason.Of(outcome) == reason.AuthFailed:
		err := c.Audit(ctx, audit.Record{
			Actor: audit.Peer(from.String()), Action: audit.LoginWrong, Object: c.tried(ctx, a.User),
			Reason: reason.AuthFailed.String(), Detail: "over " + string(a.Service),
		})
		if err != nil {
			c.Log.Error("a wrong login could not be recorded", "err", err)
		}
	}
	return outcome
}

// noteUse keeps when something was used last, in the transaction of its record. What
// was revoked at this moment has no last use any more.
func (c *Core) noteUse(tx store.Tx, a login.Attempt, granted login.Grant) error {
	use := store.LastUse{At: c.Now(), Service: string(a.Service), Network: admit.Network(a.Remote)}
	for _, id := range proof.Accesses(granted.Proof) {
		err := tx.PutLastUse(granted.Account, id, use)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// byWhat tells a login by anything but a password that was shown.
func byWhat(a login.Attempt, granted login.Grant) (text string) {
	if a.Method == login.Scram {
		text = " by SCRAM"
	}
	for _, id := range proof.Accesses(granted.Proof) {
		if id != store.PasswordAccess {
			text += ", access " + id
		}
	}
	return text
}

// tried names the account that a login was for, if it is one of ours: anything
// else may be a password in the wrong field.
func (c *Core) tried(ctx context.Context, user string) string {
	const unknown = "an unknown name"
	a, err := mime.ParseAddress(user)
	if err != nil {
		return unknown
	}
	dir, err := c.Directory(ctx)
	if err != nil {
		return unknown
	}
	account, known := dir.Account(a)
	if !known {
		return unknown
	}
	return "account " + account.Address.String()
}
