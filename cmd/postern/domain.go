package main

import (
	"context"
	"flag"

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
	fs := inv.flags("domain remove")
	untold := fs.Bool("untold", false, "")
	domain, err := parseDomain(fs, args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveDomain(ctx, domain, *untold)
		if err != nil {
			return err
		}
		for _, name := range removed.Unbelieved {
			inv.warnUnbelieved(name)
		}
		return inv.tellRemoved(removed, domain+" is no longer ours", removed.Aliases, removed.Waiting, fates{
			edge: fate{"messages to it that wait for an edge", "they go on"},
			sent: fate{"messages from it that are not signed yet", "they fail as no-signing-key, and who handed them in is told"},
		})
	})
}

// parseDomain reads the one argument of a command, a domain.
func (inv *invocation) parseDomain(name string, args []string) (string, error) {
	return parseDomain(inv.flags(name), args)
}

func parseDomain(fs *flag.FlagSet, args []string) (string, error) {
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return "", err
	}
	domain, err := mime.ParseDomain(rest[0])
	return domain.String(), err
}

func runDomainList(ctx context.Context, inv *invocation, args []string) error {
	return runList(ctx, inv, "domain list", args, (*control.Client).Domains, func(d control.DomainInfo) string {
		if d.Damaged {
			return d.Name + "  damaged"
		}
		if d.Retention == control.Forever {
			return d.Name
		}
		return d.Name + "  mail leaves " + d.Retention + " after it was read"
	})
}
