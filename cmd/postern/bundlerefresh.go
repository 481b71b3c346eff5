package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runBundleRefresh(ctx context.Context, inv *invocation, args []string) error {
	names, err := parse(inv.flags("bundle refresh"), args, 0, maxNamed)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.RefreshBundles(ctx, names)
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(listed(all))
			if err != nil {
				return err
			}
		}
		return inv.tellRefreshed(all)
	})
}

// maxNamed bounds the bundles of one command.
const maxNamed = 1000

// tellRefreshed ends well if every bundle is fresh, with a negative answer if
// some are not, and with a temporary failure if none is.
func (inv *invocation) tellRefreshed(all []control.BundleRefresh) error {
	inv.tellNone(len(all))
	failed := 0
	for _, r := range all {
		if !r.Fresh {
			failed++
		}
		switch {
		case inv.json:
		case r.Fresh:
			inv.printRefresh(r)
		default:
			inv.complain(refreshFailure(r), r.Hint)
		}
	}
	switch {
	case failed == 0:
		return nil
	case failed == len(all):
		return errLater
	}
	return errNegative
}

// complain tells of a failure beside others.
func (inv *invocation) complain(message, hint string) {
	fmt.Fprintf(inv.stderr, "postern: %s\n", oneLine(message))
	if hint != "" {
		fmt.Fprintf(inv.stderr, "postern: hint: %s\n", hint)
	}
}

func refreshFailure(r control.BundleRefresh) string {
	s := fmt.Sprintf("%s: %s", r.Name, r.Failure)
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	if r.Anchors > 0 {
		s += fmt.Sprintf("; the %s of before count", anchors(r.Anchors))
	}
	return s
}

// maxToldChanges bounds what came and went; postern bundle show has all.
const maxToldChanges = 20

// printRefresh tells of a bundle that is fresh.
func (inv *invocation) printRefresh(r control.BundleRefresh) {
	change := "unchanged"
	if r.Changed {
		change = fmt.Sprintf("%d came, %d went", len(r.Added), len(r.Removed))
	}
	fmt.Fprintf(inv.stdout, "fresh: %s  %s, %s\n", r.Name, anchors(r.Anchors), change)
	inv.printChanges(r.Name, "came", r.Added)
	inv.printChanges(r.Name, "went", r.Removed)
	if r.Bad > 0 {
		inv.warn([]string{fmt.Sprintf("%s: certificates that cannot be read, and are left out: %d", r.Name, r.Bad)})
	}
}

func (inv *invocation) printChanges(name, what string, all []control.BundleCertificate) {
	for i, c := range all {
		if i == maxToldChanges {
			fmt.Fprintf(inv.stdout, "  %s: %d more; postern bundle show %s lists what is there\n", what, len(all)-i, name)
			return
		}
		printCertificate(inv.stdout, what+": ", c)
	}
}
