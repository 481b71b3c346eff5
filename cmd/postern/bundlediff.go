package main

import (
	"context"
	"fmt"

	"postern/bundle"
	"postern/internal/control"
	"postern/trust"
)

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
		inv.printBundleChanges(diff.BundleChanges, "comes: ", "goes: ")
		if diff.Bad > 0 {
			inv.warn([]string{fmt.Sprintf("certificates that cannot be read: %d", diff.Bad)})
		}
		return nil
	})
}

// A bundleFilesDiff is what differs between two bundles in files.
type bundleFilesDiff struct {
	Before string `json:"before"`
	After  string `json:"after"`
	control.BundleChanges
	// Signers are those of before and afterwards, where they are not the same.
	SignerBefore string `json:"signer_before,omitempty"`
	SignerAfter  string `json:"signer_after,omitempty"`
}

func (inv *invocation) diffBundleFiles(before, after string) error {
	a, err := inv.readBundle(before)
	if err != nil {
		return err
	}
	b, err := inv.readBundle(after)
	if err != nil {
		return err
	}
	d := bundleFilesDiff{Before: before, After: after, BundleChanges: control.CompareBundles(a, b)}
	if was, is := signerName(a), signerName(b); was != is {
		d.SignerBefore, d.SignerAfter = was, is
	}
	if inv.json {
		return inv.printJSON(d)
	}
	fmt.Fprintf(inv.stdout, "%s  %s: %d came, %d went\n", d.After, anchors(d.Anchors), len(d.Added), len(d.Removed))
	inv.printBundleChanges(d.BundleChanges, "came: ", "went: ")
	if d.SignerBefore != d.SignerAfter {
		fmt.Fprintf(inv.stdout, "  signed by %s, before by %s\n", d.SignerAfter, d.SignerBefore)
	}
	return nil
}

func (inv *invocation) printBundleChanges(changes control.BundleChanges, added, removed string) {
	for _, part := range []struct {
		label string
		all   []control.BundleCertificate
	}{{added, changes.Added}, {removed, changes.Removed}, {"other policies: ", changes.Policies}} {
		for _, c := range part.all {
			printCertificate(inv.stdout, part.label, c)
		}
	}
}

func signerName(b *bundle.Bundle) string {
	if b.Signer == nil {
		return "nobody"
	}
	return short(trust.FingerprintOf(b.Signer).String()) + " " + trust.WriteName(b.Signer.Subject)
}
