package main

import (
	"context"
	"fmt"
	"time"

	"postern/internal/control"
)

func runBundleList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("bundle list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Bundles(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(listed(all))
		}
		for _, b := range all {
			fmt.Fprintln(inv.stdout, bundleLine(b))
		}
		return nil
	})
}

func runBundleShow(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("bundle show"), args, 1, 1)
	if err != nil {
		return err
	}
	if isBundleFile(rest[0]) {
		return inv.showBundleFile(rest[0])
	}
	return inv.showStoredBundle(ctx, rest[0])
}

func runBundleDiff(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("bundle diff"), args, 1, 2)
	if err != nil {
		return err
	}
	if len(rest) == 2 {
		return inv.diffBundleFiles(rest[0], rest[1])
	}
	return inv.diffStoredBundle(ctx, rest[0])
}

func (inv *invocation) showStoredBundle(ctx context.Context, name string) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		b, err := c.ShowBundle(ctx, name)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(b)
		}
		signer := ""
		if b.Signer != nil {
			signer = fmt.Sprintf("%s %s", short(b.Signer.SHA256), b.Signer.Subject)
		}
		for _, f := range []field{
			{"name", b.Name}, {"url", b.URL}, {"signer", signer}, {"believed by", believers(b.BundleInfo)}, {"fetched", control.Interval(time.Duration(b.Every) * time.Second)},
			{"state", bundleState(b.BundleInfo)}, {"detail", b.Detail}, {"what to do", b.Hint},
			{"changed", momentOrNone(b.Changed)}, {"sha256", b.SHA256},
		} {
			if f.value != "" {
				fmt.Fprintf(inv.stdout, "%-12s %s\n", f.label+":", f.value)
			}
		}
		for _, c := range b.Certificates {
			printCertificate(inv.stdout, "", c)
		}
		return nil
	})
}

func (inv *invocation) diffStoredBundle(ctx context.Context, name string) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		diff, err := c.DiffBundle(ctx, name)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(diff)
		}
		fmt.Fprintf(inv.stdout, "%s  %s there: %d would come, %d would go\n", name, anchors(diff.Anchors), len(diff.Added), len(diff.Removed))
		for _, part := range []struct {
			label string
			all   []control.BundleCertificate
		}{{"comes: ", diff.Added}, {"goes: ", diff.Removed}, {"other policies: ", diff.Policies}} {
			for _, c := range part.all {
				printCertificate(inv.stdout, part.label, c)
			}
		}
		if diff.Bad > 0 {
			inv.warn([]string{fmt.Sprintf("certificates that cannot be read: %d", diff.Bad)})
		}
		return nil
	})
}

func momentOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}

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
