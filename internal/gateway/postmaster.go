package gateway

import (
	"context"
	"maps"
	"slices"

	"postern/mime"
	"postern/smtp"
	"postern/trust/reason"
)

var _ smtp.PostmasterBackend = (*Core)(nil)

// Postmaster is who reads what comes for <postmaster> without a domain (RFC 5321
// §4.1.1.3): an account, an alias or a group of the name postmaster in the domain of
// the hostname, or else in the first of our domains that has one.
func (c *Core) Postmaster(ctx context.Context) (mime.Address, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return mime.Address{}, reason.New(reason.Internal, "%w", err)
	}
	domains := slices.Sorted(maps.Keys(dir.domains))
	host, err := mime.ParseDomain(c.Hostname)
	if err == nil && dir.IsOurs(host) {
		domains = append([]mime.Domain{host}, domains...)
	}
	for _, d := range domains {
		a, err := mime.NewAddress("postmaster", d)
		if err == nil && dir.find(a).check(a) == nil {
			return a, nil
		}
	}
	return mime.Address{}, reason.New(reason.UnknownRecipient, "no domain here has a postmaster")
}
