package main

import (
	"context"
	"fmt"

	"postern/internal/control"
	"postern/mime"
)

func runDomainAdd(ctx context.Context, inv *invocation, args []string) error {
	return inv.onDomain(ctx, "domain add", args, "is ours", (*control.Client).AddDomain)
}

func runDomainRemove(ctx context.Context, inv *invocation, args []string) error {
	return inv.onDomain(ctx, "domain remove", args, "is no longer ours", (*control.Client).RemoveDomain)
}

func (inv *invocation) onDomain(ctx context.Context, name string, args []string, done string, do func(*control.Client, context.Context, string) error) error {
	rest, err := parse(inv.flags(name), args, 1, 1)
	if err != nil {
		return err
	}
	domain, err := mime.ParseDomain(rest[0])
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := do(c, ctx, domain.String())
		if err != nil {
			return err
		}
		return inv.answer(control.DomainName{Name: domain.String()}, "%s %s", domain, done)
	})
}

func runDomainList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("domain list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Domains(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(listed(all))
		}
		for _, d := range all {
			fmt.Fprintln(inv.stdout, d.Name)
		}
		return nil
	})
}

// listed makes an empty list of none at all, which JSON would write as null.
func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
