package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runBundleRemove(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("bundle remove")
	domain := fs.String("domain", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveBundle(ctx, control.BundleRemoval{Name: rest[0], Domain: *domain})
		if err != nil {
			return err
		}
		if removed.Gone {
			return inv.answer(removed, "removed: %s; %s that nobody else gives %s", rest[0], anchors(removed.Lost), counts(removed.Lost))
		}
		if len(removed.Bundle.Attached) == 0 {
			inv.warnUnbelieved(rest[0])
		}
		return inv.answer(removed, "detached: %s no longer believes %s; %s that nobody else gives it %s", *domain, rest[0], anchors(removed.Lost), counts(removed.Lost))
	})
}

// warnUnbelieved tells of a bundle that is left over.
func (inv *invocation) warnUnbelieved(name string) {
	inv.warn([]string{fmt.Sprintf("nobody believes %s any more; postern bundle remove %s ends it", name, name)})
}

func counts(n int) string {
	if n == 1 {
		return "no longer counts"
	}
	return "no longer count"
}
