package main

import (
	"context"
	"fmt"
	"strings"
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
		inv.tellNone(len(all))
		for _, b := range all {
			fmt.Fprintln(inv.stdout, bundleLine(b))
		}
		return nil
	})
}

// bundleLine is a bundle in one line.
func bundleLine(b control.BundleInfo) string {
	parts := []string{b.Name, bundleState(b), believers(b), b.URL}
	if b.Signer != nil {
		parts = append(parts, "signed by "+b.Signer.Subject)
	}
	return strings.Join(parts, "  ")
}

// bundleState says how fresh a bundle is.
func bundleState(b control.BundleInfo) string {
	var s strings.Builder
	switch b.State {
	case control.BundleWaiting:
		s.WriteString("not fetched yet")
	case control.BundleFailing:
		fmt.Fprintf(&s, "FAILING since %s: %s", moment(b.FailingSince), b.Failure)
	case control.BundleStale:
		s.WriteString("STALE")
	default:
		s.WriteString(b.State)
	}
	if b.Stale && b.State != control.BundleStale {
		s.WriteString(", STALE")
	}
	s.WriteString(", " + anchors(b.Anchors))
	if b.Age != nil {
		s.WriteString(" " + age(time.Duration(*b.Age)*time.Second))
	}
	if b.Bad > 0 {
		fmt.Fprintf(&s, ", %d more cannot be read", b.Bad)
	}
	if !b.Next.IsZero() && b.Every > 0 {
		s.WriteString(", due " + moment(b.Next))
	}
	return s.String()
}

// believers says who believes a bundle, in which direction.
func believers(b control.BundleInfo) string {
	var all []string
	for _, a := range b.Attached {
		all = append(all, fmt.Sprintf("%s, %s", or(a.Domain, "every domain"), a.Direction))
	}
	return or(strings.Join(all, "; "), "nobody")
}
