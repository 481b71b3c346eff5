package gateway

import (
	"context"
	"fmt"

	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/mime"
	"postern/pickup"
	"postern/store"
	"postern/trust/reason"
)

// Login implements login.Backend. Behind too many failures from an address it is Busy
// without a look at the attempt, over every listener alike; other addresses are not
// concerned.
func (c *Core) Login(ctx context.Context, a login.Attempt) (login.Grant, error) {
	who := guesserOf(a.User, a.Remote)
	if !c.wrong.allows(c.Steady(), who) {
		c.limited.passwords.Add(1)
		return login.Grant{}, reason.New(reason.Busy, "too many failed logins from %s", who.from)
	}
	granted, err := c.decide(ctx, a, who)
	switch {
	case reason.Of(err) == reason.AuthFailed:
		c.wrong.failed(c.Steady(), who)
	case err == nil:
		c.wrong.knew(c.Steady(), who)
	}
	err = c.auditLogin(ctx, a, granted, err)
	if err != nil {
		return login.Grant{}, err
	}
	return granted, nil
}

func (c *Core) decide(ctx context.Context, a login.Attempt, who guesser) (login.Grant, error) {
	if a.Method != login.Password {
		return login.Grant{}, reason.New(reason.AuthFailed, "%s", wrongLogin)
	}
	account, err := c.Authenticate(ctx, c.wrong.turn(c.Steady(), who, a.Remote), a.User, a.Secret)
	if err != nil {
		return login.Grant{}, err
	}
	return login.Grant{Account: account.Address, Proof: proof.OfPassword(account)}, nil
}

// wrongLogin is all that is said of any login that failed.
const wrongLogin = "wrong name or password, or account disabled"

// OffersScram implements login.Backend.
func (c *Core) OffersScram(context.Context) bool { return false }

// Verifiers implements login.Backend.
func (c *Core) Verifiers(context.Context, login.Attempt) (login.Verifiers, error) {
	return login.Verifiers{}, login.ErrMechanism
}

// pickingUp is the Core for the mailboxes' side, in its terms.
type pickingUp struct{ *Core }

// Login implements login.Backend.
func (p pickingUp) Login(ctx context.Context, a login.Attempt) (login.Grant, error) {
	granted, err := p.Core.Login(ctx, a)
	return granted, pickupError(err)
}

// Verifiers implements login.Backend.
func (p pickingUp) Verifiers(ctx context.Context, a login.Attempt) (login.Verifiers, error) {
	v, err := p.Core.Verifiers(ctx, a)
	return v, pickupError(err)
}

func pickupError(err error) error {
	switch reason.Of(err) {
	case reason.AuthFailed:
		return fmt.Errorf("%w: %w", pickup.ErrAuthFailed, err)
	case reason.Busy:
		return fmt.Errorf("%w: %w", pickup.ErrUnavailable, err)
	}
	return err
}

// knownAccounts are those of a Directory, as proof.Source.
type knownAccounts struct{ *Directory }

// Account implements proof.Source.
func (k knownAccounts) Account(a mime.Address) (store.Account, error) {
	account, known := k.Directory.Account(a)
	if !known {
		return store.Account{}, store.ErrNotFound
	}
	return account, nil
}
