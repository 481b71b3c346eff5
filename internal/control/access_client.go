package control

import "context"

// AddAccess makes an app password or a token, or pins a certificate.
func (c *Client) AddAccess(ctx context.Context, in AccessOrder) (NewAccess, error) {
	return call[AccessOrder, NewAccess](ctx, c, "access/add", in)
}

// Accesses lists those of an account, or with "" of all.
func (c *Client) Accesses(ctx context.Context, address string) ([]AccessInfo, error) {
	return call[AccessName, []AccessInfo](ctx, c, "access/list", AccessName{Address: address})
}

// RevokeAccess ends an access and the sessions that began with it.
func (c *Client) RevokeAccess(ctx context.Context, in AccessName) (RevokedAccess, error) {
	return call[AccessName, RevokedAccess](ctx, c, "access/revoke", in)
}

// RequireCertificate says whether a password is enough for an account.
func (c *Client) RequireCertificate(ctx context.Context, in RequireOrder) (RequireAnswer, error) {
	return call[RequireOrder, RequireAnswer](ctx, c, "access/require", in)
}

// Account shows one account.
func (c *Client) Account(ctx context.Context, address string) (AccountDetails, error) {
	return call[AccountName, AccountDetails](ctx, c, "account/show", AccountName{address})
}
