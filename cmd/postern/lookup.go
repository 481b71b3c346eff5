package main

import (
	"context"
	"fmt"
	"time"

	"postern/internal/control"
	"postern/trust/reason"
)

func runLookup(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("lookup")
	from := fs.String("from", "", "")
	at := fs.String("at", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	moment, err := parseMoment(*at)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.Lookup(ctx, control.Lookup{Address: rest[0], From: *from, At: moment})
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(answer)
		} else {
			printLookup(inv, answer)
		}
		if err != nil {
			return err
		}
		return verdictError(answer.Verdict, answer.Detail, answer.Hint)
	})
}

func printLookup(inv *invocation, a control.LookupAnswer) {
	t := teller{inv.stdout}
	for _, s := range a.Steps {
		fmt.Fprintf(inv.stdout, "%-12s %s", s.Source, s.Query)
		if s.Server != "" {
			fmt.Fprintf(inv.stdout, " at %s", s.Server)
		}
		fmt.Fprintf(inv.stdout, ": %s (%.1f ms)\n", s.Outcome, s.Milliseconds)
	}
	for _, c := range a.Certificates {
		fmt.Fprintf(inv.stdout, "%-12s %s  %s, until %s: %s", c.Source, short(c.SHA256), c.Subject, c.NotAfter.Format("2006-01-02"), c.Verdict)
		if c.Detail != "" {
			fmt.Fprintf(inv.stdout, " (%s)", c.Detail)
		}
		if c.Anchor != "" {
			fmt.Fprintf(inv.stdout, ", by the anchor %s", c.Anchor)
		}
		fmt.Fprintln(inv.stdout)
		if c.Hint != a.Hint {
			t.say(1, "what to do", c.Hint)
		}
		t.story(1, c.Story)
	}
	fmt.Fprintf(inv.stdout, "%s from %s: %s\n", a.Address, a.From, a.Verdict)
	t.say(1, "judged", "as of "+moment(a.At))
	t.say(1, "detail", a.Detail)
	t.say(1, "what to do", a.Hint)
}

// verdictError ends a command by a verdict that was printed already.
func verdictError(code, detail, hint string) error {
	c, err := reason.Parse(code)
	if err != nil {
		return err
	}
	switch {
	case c.IsOK():
		return nil
	case c.Outcome().Retry:
		return &control.Error{Kind: control.Temporary, Message: code + ": " + detail, Hint: hint}
	}
	return errNegative
}

func parseMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usagef("write it as RFC 3339 does: 2026-01-31T12:00:00Z", "%q is no time", text)
	}
	return at, nil
}
