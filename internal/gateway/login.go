package gateway

import (
	"context"
	"errors"

	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/store"
	"postern/trust/reason"
)

// Login implements login.Backend. Behind too many failures from an address nothing
// that could be guessed is looked at, over every listener alike, and the answer is
// Busy; other addresses are not concerned.
func (c *Core) Login(ctx context.Context, a login.Attempt) (login.Grant, error) {
	granted, err := c.tryLogin(ctx, a)
	if err == nil || reason.Of(err) == reason.AuthFailed {
		err = c.auditLogin(ctx, a, granted, err)
	}
	if err != nil {
		return login.Grant{}, err
	}
	return granted, nil
}

// tryLogin decides on an attempt and counts how it ends.
func (c *Core) tryLogin(ctx context.Context, a login.Attempt) (login.Grant, error) {
	who := guesserOf(a.User, a.Remote)
	if guessable(a) {
		return c.tryGuess(ctx, a, who)
	}
	granted, err := c.decide(ctx, a, who)
	if reason.Of(err) == reason.AuthFailed && !c.wrong.wrong(c.Steady(), who) {
		return login.Grant{}, c.tooMany(who) // as of any other, and without a record of each
	}
	return granted, err
}

// tryGuess decides on what could be guessed, which is looked at only where there are not
// too many wrong ones. It alone is proof of knowing the password: who has an app password
// does not get more guesses by it.
func (c *Core) tryGuess(ctx context.Context, a login.Attempt, who guesser) (login.Grant, error) {
	g, ok := c.wrong.take(ctx, c.Steady, who)
	if !ok {
		return login.Grant{}, c.tooMany(who)
	}
	was := unjudged
	defer func() { c.wrong.end(c.Steady(), g, was) }()
	granted, err := c.decide(ctx, a, who)
	switch {
	case err == nil:
		was = rightGuess
	case reason.Of(err) == reason.AuthFailed:
		was = wrongGuess
	}
	return granted, err
}

func (c *Core) tooMany(who guesser) error {
	c.limited.passwords.Add(1)
	return reason.New(reason.Busy, "too many failed logins from %s", who.from)
}

// guessable reports whether what a client shows could be guessed, or costs to look at.
// Secrets that we made, and certificates, cannot: whoever has the right one gets in
// even beside somebody who floods us from the same address.
func guessable(a login.Attempt) bool {
	switch a.Method {
	case login.Certificate, login.Token:
		return false
	case login.Scram:
		return a.Proved == "" || proof.Accesses(a.Proved)[0] == store.PasswordAccess
	}
	_, _, made := login.AppPassword(a.Secret)
	return !made
}

func (c *Core) decide(ctx context.Context, a login.Attempt, who guesser) (login.Grant, error) {
	if a.Method == login.Password {
		_, _, made := login.AppPassword(a.Secret)
		if !made {
			return c.byPassword(ctx, a, who)
		}
	}
	dir, err := c.Directory(ctx)
	if err != nil {
		return login.Grant{}, reason.New(reason.Internal, "%w", err)
	}
	d := deciding{dir, c.Now()}
	switch a.Method {
	case login.Password:
		return d.byAppPassword(a)
	case login.Scram:
		return d.byProof(a)
	case login.Certificate:
		return d.byCertificate(a)
	case login.Token:
		return d.byToken(a)
	}
	return login.Grant{}, errWrongLogin()
}

// byPassword is the one way that costs: see Authenticate.
func (c *Core) byPassword(ctx context.Context, a login.Attempt, who guesser) (login.Grant, error) {
	account, err := c.Authenticate(ctx, c.wrong.turn(c.Steady(), who, a.Remote), a.User, a.Secret)
	if err != nil {
		return login.Grant{}, err
	}
	dir, err := c.Directory(ctx)
	if err != nil {
		return login.Grant{}, reason.New(reason.Internal, "%w", err)
	}
	c.learn(ctx, dir, account, a.Secret)
	return deciding{dir, c.Now()}.grant(a, account.Address, proof.OfPassword(account))
}

// Check says whether a grant is still good: reason.AuthRequired if it is not.
func (c *Core) Check(ctx context.Context, g login.Grant) error {
	dir, err := c.Directory(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	return checkLogin(knownAccounts{dir}, g.Account, g.Proof, c.Now())
}

// errWrongLogin is all that is said of any login that failed.
func errWrongLogin() error {
	return reason.New(reason.AuthFailed, "wrong name or password, or account disabled")
}

// checkGood turns what a proof lacks into a failed login.
func checkGood(err error) error {
	if errors.Is(err, proof.ErrRevoked) {
		return errWrongLogin()
	}
	return err
}
