package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runDomainAdd(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(flags("domain add"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.AddDomain(ctx, rest[0])
		if err == nil {
			fmt.Fprintf(inv.stdout, "%s is ours\n", rest[0])
		}
		return err
	})
}

func runDomainList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("domain list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Domains(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(all)
		}
		for _, d := range all {
			fmt.Fprintln(inv.stdout, d.Name)
		}
		return nil
	})
}

func runDomainRemove(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(flags("domain remove"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.RemoveDomain(ctx, rest[0])
		if err == nil {
			fmt.Fprintf(inv.stdout, "%s is no longer ours\n", rest[0])
		}
		return err
	})
}
