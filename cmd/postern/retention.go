package main

import (
	"context"

	"postern/internal/control"
)

func runDomainRetention(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("domain retention"), args, 2, 2)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		d, err := c.SetRetention(ctx, control.RetentionOrder{Name: rest[0], Keep: rest[1]})
		if err != nil {
			return err
		}
		if d.Retention == control.Forever {
			return inv.answer(d, "%s keeps mail until its owners remove it", d.Name)
		}
		return inv.answer(d, "mail leaves the mailboxes of %s %s after it was read", d.Name, d.Retention)
	})
}
