package main

import (
	"context"
	"fmt"
	"time"

	"postern/bundle"
	"postern/internal/control"
	"postern/internal/gateway"
)

func runAnchorAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("anchor add")
	domain := fs.String("domain", "", "")
	direction := fs.String("direction", "both", "")
	ev := fs.Bool("ev", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	data, err := inv.readInput(rest[0], bundle.MaxSize)
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
	in := control.AnchorsToAdd{Domain: *domain, Direction: *direction, EV: *ev}
	for _, c := range certificates {
		in.Certificates = append(in.Certificates, c.Raw)
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		added, err := c.AddAnchors(ctx, in)
		if err != nil {
			return err
		}
		for _, a := range added {
			inv.warn(a.Warnings)
		}
		if inv.json {
			return inv.printJSON(added)
		}
		for _, a := range added {
			fmt.Fprintf(inv.stdout, "trusted: %s\n", anchorLine(a.AnchorInfo))
		}
		return nil
	})
}

func anchorLine(a control.AnchorInfo) string {
	return fmt.Sprintf("%s  %s, %s, %s  %s, %s%s", a.SHA256[:16], or(a.Domain, "every domain"), a.Direction, a.Source, a.Subject,
		until(a.NotAfter), forPolicies(", for ", a.Required))
}

// until says to which day something is valid, or that it no longer is, and how
// soon that will be when it is soon.
func until(end time.Time) string {
	day := end.UTC().Format(time.DateOnly)
	switch soon := expiry(end); soon {
	case "":
		return "until " + day
	case expired:
		return expired + " " + day
	default:
		return "until " + day + " (" + soon + ")"
	}
}

const expired = "EXPIRED"

// expiry says that something is no longer valid, or how soon it will not be; ""
// is a long time.
func expiry(end time.Time) string {
	switch left := time.Until(end); {
	case left < 0:
		return expired
	case left < 24*time.Hour:
		return "expires within a day"
	case left < gateway.ExpiresSoon:
		return "expires in " + count(int(left/(24*time.Hour)), "day")
	}
	return ""
}

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func runAnchorList(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("anchor list")
	source := fs.String("source", "", "")
	all := fs.Bool("all", false, "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		list, err := c.ListAnchors(ctx, control.AnchorFilter{Source: *source, Single: !*all && !inv.json})
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(listed(list.Anchors))
		}
		for _, a := range list.Anchors {
			fmt.Fprintln(inv.stdout, anchorLine(a))
		}
		for _, b := range list.Bundles {
			how := ""
			if b.Anchors > 0 {
				how = fmt.Sprintf("; postern anchor list --source %s lists them", b.Name)
			}
			fmt.Fprintf(inv.stdout, "bundle %s  %s, %s  %s%s\n", b.Name, or(b.Domain, "every domain"), b.Direction, anchors(b.Anchors), how)
		}
		return nil
	})
}

func runAnchorShow(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("anchor show"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		found, err := c.ShowAnchor(ctx, rest[0])
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(found)
		}
		for _, a := range found {
			inv.printFields([]field{
				{"sha256", a.SHA256}, {"subject", a.Subject}, {"issuer", a.Issuer},
				{"trusted by", or(a.Domain, "every domain")}, {"direction", a.Direction}, {"source", a.Source},
				{"only for", forPolicies("", a.Required)},
				{"valid", validity(a.NotBefore, a.NotAfter)}, {"key", a.Key},
			}, a.Details)
			fmt.Fprint(inv.stdout, a.PEM)
		}
		return nil
	})
}

func runAnchorRemove(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("anchor remove")
	domain := fs.String("domain", "", "")
	ev := fs.Bool("ev", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveAnchor(ctx, control.AnchorName{SHA256: rest[0], Domain: *domain, EV: *ev})
		if err != nil {
			return err
		}
		return inv.answer(removed, "no longer trusted: %s", anchorLine(removed))
	})
}
