package gateway

import (
	"context"
	"net/netip"
	"time"

	"postern/internal/admit"
	"postern/internal/login"
	"postern/trust/reason"
)

// tokenRecorded is how long a token that was used from somewhere is not recorded again
// from there: a program that speaks HTTP shows it with each request.
const tokenRecorded = 10 * time.Minute

// A tokenUse is a token and where it was used.
type tokenUse struct {
	id   string
	from netip.Prefix
}

// Token lets in who has a token; it is asked for every request. AuthFailed is to be
// answered late, and is counted; Busy comes behind too many of them. The login is
// recorded, with the last use, if the token was not used from there in the last ten
// minutes.
func (c *Core) Token(ctx context.Context, token string, remote netip.Addr) (login.Grant, error) {
	a := login.Attempt{Client: login.Client{Service: login.HTTPS, Remote: remote}, Method: login.Token, Secret: token}
	granted, err := c.tryLogin(ctx, a)
	use := tokenUse{granted.Access, admit.Client(remote)}
	if err == nil && !c.tokens.Allows(c.Steady(), use) {
		return granted, nil
	}
	if err == nil || reason.Of(err) == reason.AuthFailed {
		err = c.auditLogin(ctx, a, granted, err)
	}
	if err != nil {
		return login.Grant{}, err
	}
	c.tokens.Count(c.Steady(), 1, use)
	return granted, nil
}

func newTokenUses() *admit.Meter[tokenUse] {
	return &admit.Meter[tokenUse]{Burst: 1, Per: tokenRecorded}
}
