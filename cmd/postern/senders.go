package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runAccountSenders(ctx context.Context, inv *invocation, args []string) error {
	in, err := inv.parseMembers("account senders", args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		info, err := c.ChangeSenders(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(info)
		}
		for _, a := range info.Own {
			fmt.Fprintf(inv.stdout, "%s  its own\n", a)
		}
		inv.printLines(info.Senders)
		return nil
	})
}
