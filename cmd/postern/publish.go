package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runPublishZone(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("publish zone")
	generic := fs.Bool("rfc3597", false, "")
	out := fs.String("out", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.writePublished(ctx, control.FileOrder{Domain: rest[0], Generic: *generic}, *out, (*control.Client).Zone)
}

func runPublishLDIF(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("publish ldif")
	out := fs.String("out", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.writePublished(ctx, control.FileOrder{Domain: rest[0]}, *out, (*control.Client).LDIF)
}

// writePublished writes what is published of a domain to a file, or to standard
// output.
func (inv *invocation) writePublished(ctx context.Context, order control.FileOrder, out string, get func(*control.Client, context.Context, control.FileOrder) (control.PublishedFile, error)) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		file, err := get(c, ctx, order)
		if err != nil {
			return err
		}
		inv.warn(file.Warnings)
		text := file.Text
		if out != "" {
			err := writeNew(out, []byte(text), 0o644)
			if err != nil {
				return err
			}
			file.Text = ""
		}
		switch {
		case inv.json:
			return inv.printJSON(file)
		case out != "":
			return inv.answer(file, "written: %s, what is published of %s", out, file.Domain)
		}
		_, err = fmt.Fprint(inv.stdout, text)
		return err
	})
}

func runPublishCheck(ctx context.Context, inv *invocation, args []string) error {
	names, err := parse(inv.flags("publish check"), args, 0, maxNamed)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		report, err := c.CheckPublished(ctx, names)
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(report)
		} else {
			printFindings(inv, report)
		}
		if err != nil {
			return err
		}
		switch report.Verdict {
		case control.PublishedOK:
			return nil
		case control.PublishedUnanswered:
			return errLater
		}
		return errNegative
	})
}

func printFindings(inv *invocation, report control.PublishReport) {
	t := teller{inv.stdout}
	for _, f := range report.Findings {
		fmt.Fprintf(inv.stdout, "%-10s %-11s %s: %s\n", f.State, f.What, f.Name, f.Detail)
		t.say(1, "what to do", f.Hint)
		t.say(1, "record", f.Record)
	}
	switch report.Verdict {
	case control.PublishedOK:
		fmt.Fprintln(inv.stdout, "others find all that is to be published")
	case control.PublishedUnanswered:
		fmt.Fprintln(inv.stdout, "not everything could be looked up: try again")
	default:
		fmt.Fprintln(inv.stdout, "others do not find what they should")
	}
}
