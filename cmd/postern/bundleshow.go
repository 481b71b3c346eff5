package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"postern/internal/control"
)

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

// isBundleFile reports whether an argument that is a bundle's name or a file is
// the latter: standard input, a path, or a file whose name has an extension.
func isBundleFile(argument string) bool {
	if argument == "-" || strings.ContainsRune(argument, os.PathSeparator) {
		return true
	}
	_, err := os.Stat(argument)
	return err == nil && strings.Contains(argument, ".")
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
		inv.printBundleFields([]field{
			{"name", b.Name}, {"url", b.URL}, {"signer", signer}, {"signed", momentOrNone(b.SignedAt)}, {"believed by", believers(b.BundleInfo)}, {"fetched", control.Interval(time.Duration(b.Every) * time.Second)},
			{"state", bundleState(b.BundleInfo)}, {"detail", b.Detail}, {"what to do", b.Hint},
			{"changed", momentOrNone(b.Changed)}, {"sha256", b.SHA256},
		}, b.Certificates)
		inv.warnBad(b.BadCertificates)
		return nil
	})
}

func momentOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return moment(t)
}
