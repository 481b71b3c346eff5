package main

import (
	"context"
	"fmt"

	"postern/internal/control"
	"postern/mime"
)

func runDomainAdd(ctx context.Context, inv *invocation, args []string) error {
	domain, err := inv.parseDomain("domain add", args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.AddDomain(ctx, domain)
		if err != nil {
			return err
		}
		return inv.answer(control.DomainName{Name: domain}, "%s is ours", domain)
	})
}

func runDomainRemove(ctx context.Context, inv *invocation, args []string) error {
	domain, err := inv.parseDomain("domain remove", args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveDomain(ctx, domain)
		if err != nil {
			return err
		}
		for _, name := range removed.Unbelieved {
			inv.warnUnbelieved(name)
		}
		return inv.answer(removed, "%s is no longer ours", domain)
	})
}

// parseDomain reads the one argument of a command, a domain.
func (inv *invocation) parseDomain(name string, args []string) (string, error) {
	rest, err := parse(inv.flags(name), args, 1, 1)
	if err != nil {
		return "", err
	}
	domain, err := mime.ParseDomain(rest[0])
	return domain.String(), err
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
			line := d.Name
			if d.Retention != control.Forever {
				line += "  mail leaves " + d.Retention + " after it was read"
			}
			fmt.Fprintln(inv.stdout, line)
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
