package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"

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

// A bundleFilesDiff is what differs between two bundles in files.
type bundleFilesDiff struct {
	Before  string                      `json:"before"`
	After   string                      `json:"after"`
	Added   []control.BundleCertificate `json:"added"`
	Removed []control.BundleCertificate `json:"removed"`
	// Policies are anchors that stay and ask for other policies; each has those of
	// afterwards.
	Policies []control.BundleCertificate `json:"policies_changed"`
	Anchors  int                         `json:"anchors"` // afterwards
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
	return inv.printBundleDiff(compareBundles(before, a, after, b))
}

func compareBundles(before string, a *bundle.Bundle, after string, b *bundle.Bundle) bundleFilesDiff {
	added, removed := bundle.Diff(a.Certificates(), b.Certificates())
	d := bundleFilesDiff{
		Before: before, After: after, Anchors: len(b.Anchors), Policies: []control.BundleCertificate{},
		Added: describeAnchors(anchorsOf(b, added)), Removed: describeAnchors(anchorsOf(a, removed)),
	}
	for _, change := range bundle.DiffPolicies(a.Anchors, b.Anchors) {
		d.Policies = append(d.Policies, describeAnchors([]bundle.Anchor{{Certificate: change.Certificate, Policies: change.After}})...)
	}
	if was, is := signerName(a), signerName(b); was != is {
		d.SignerBefore, d.SignerAfter = was, is
	}
	return d
}

// anchorsOf returns the anchors of a bundle that have some certificates.
func anchorsOf(b *bundle.Bundle, certificates []*x509.Certificate) []bundle.Anchor {
	wanted := make(map[*x509.Certificate]bool, len(certificates))
	for _, c := range certificates {
		wanted[c] = true
	}
	return slices.DeleteFunc(slices.Clone(b.Anchors), func(a bundle.Anchor) bool { return !wanted[a.Certificate] })
}

func signerName(b *bundle.Bundle) string {
	if b.Signer == nil {
		return "nobody"
	}
	return short(trust.FingerprintOf(b.Signer).String()) + " " + trust.WriteName(b.Signer.Subject)
}

func (inv *invocation) printBundleDiff(d bundleFilesDiff) error {
	if inv.json {
		return inv.printJSON(d)
	}
	fmt.Fprintf(inv.stdout, "%s  %s: %d came, %d went\n", d.After, anchors(d.Anchors), len(d.Added), len(d.Removed))
	for _, part := range []struct {
		label string
		all   []control.BundleCertificate
	}{{"came: ", d.Added}, {"went: ", d.Removed}, {"other policies: ", d.Policies}} {
		for _, c := range part.all {
			printCertificate(inv.stdout, part.label, c)
		}
	}
	if d.SignerBefore != d.SignerAfter {
		fmt.Fprintf(inv.stdout, "  signed by %s, before by %s\n", d.SignerAfter, d.SignerBefore)
	}
	return nil
}
