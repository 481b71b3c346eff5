package main

import (
	"context"

	"postern/internal/control"
	"postern/mime"
)

func runAliasAdd(ctx context.Context, inv *invocation, args []string) error {
	all, err := inv.parseAddresses("alias add", args, 2, 2)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.AddAlias(ctx, all[0], all[1])
		if err != nil {
			return err
		}
		return inv.answer(control.AliasOrder{Address: all[0], Account: all[1]}, "%s is another address of %s", all[0], all[1])
	})
}

// parseAddresses reads arguments that are addresses.
func (inv *invocation) parseAddresses(name string, args []string, least, most int) ([]string, error) {
	rest, err := parse(inv.flags(name), args, least, most)
	if err != nil {
		return nil, err
	}
	for i, text := range rest {
		a, err := mime.ParseAddress(text)
		if err != nil {
			return nil, err
		}
		rest[i] = a.String()
	}
	return rest, nil
}

func runAliasList(ctx context.Context, inv *invocation, args []string) error {
	return runList(ctx, inv, "alias list", args, (*control.Client).Aliases, func(a control.AliasInfo) string {
		if a.Damaged {
			return a.Address + "  damaged"
		}
		return a.Address + "  " + a.Account
	})
}

func runAliasRemove(ctx context.Context, inv *invocation, args []string) error {
	return inv.removes(ctx, "alias remove", args, "is no address of ours any more", (*control.Client).RemoveAlias)
}
