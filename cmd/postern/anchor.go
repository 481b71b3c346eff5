package main

import (
	"context"
	"fmt"

	"postern/bundle"
	"postern/internal/control"
)

// anchorBytes bounds a file of anchors.
const anchorBytes = 8 << 20

func runAnchorAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := flags("anchor add")
	domain := fs.String("domain", "", "")
	direction := fs.String("direction", "both", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	data, err := inv.readInput(rest[0], anchorBytes)
	if err != nil {
		return err
	}
	certificates, bad, err := bundle.Read(data)
	if err != nil {
		return usagef("give a file with certificates in PEM, DER or PKCS #7", "%s: %s", rest[0], err)
	}
	if len(bad) > 0 {
		return usagef("nothing was added; take the bad certificate out of the file", "%s: %d of its certificates cannot be read: %s", rest[0], len(bad), bad[0])
	}
	in := control.AnchorsToAdd{Domain: *domain, Direction: *direction}
	for _, c := range certificates {
		in.Certificates = append(in.Certificates, c.Raw)
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		added, err := c.AddAnchors(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(added)
		}
		for _, a := range added {
			fmt.Fprintf(inv.stdout, "trusted: %s\n", anchorLine(a))
		}
		return nil
	})
}

func anchorLine(a control.AnchorInfo) string {
	domain := a.Domain
	if domain == "" {
		domain = "every domain"
	}
	return fmt.Sprintf("%s  %s, %s, %s  %s, until %s", a.SHA256[:16], domain, a.Direction, a.Source, a.Subject, a.NotAfter.Format("2006-01-02"))
}

func runAnchorList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("anchor list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Anchors(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(all)
		}
		for _, a := range all {
			fmt.Fprintln(inv.stdout, anchorLine(a))
		}
		return nil
	})
}

func runAnchorRemove(ctx context.Context, inv *invocation, args []string) error {
	fs := flags("anchor remove")
	domain := fs.String("domain", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveAnchor(ctx, control.AnchorName{SHA256: rest[0], Domain: *domain})
		if err == nil {
			fmt.Fprintf(inv.stdout, "no longer trusted: %s\n", anchorLine(removed))
		}
		return err
	})
}
