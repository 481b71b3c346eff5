package gateway

import (
	"context"

	"postern/internal/audit"
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
		err := c.Audit(ctx, audit.Record{
			Actor: audit.Account(granted.Account.String()), Action: audit.LoggedIn, Detail: "from " + from.String(),
		})
		if err != nil {
			return reason.New(reason.Busy, "recording a login: %w", err)
		}
	case reason.Of(outcome) == reason.AuthFailed:
		err := c.Audit(ctx, audit.Record{
			Actor: audit.Peer(from.String()), Action: audit.LoginWrong, Object: c.tried(ctx, a.User),
			Reason: reason.AuthFailed.String(),
		})
		if err != nil {
			c.Log.Error("a wrong login could not be recorded", "err", err)
		}
	}
	return outcome
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
