package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/control"
	"postern/trust/reason"
)

func runLookup(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("lookup")
	from := fs.String("from", "", "")
	at := fs.String("at", "", "")
	fresh := fs.Bool("fresh", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	moment, err := parseMoment(*at)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.Lookup(ctx, control.Lookup{Address: rest[0], From: *from, At: moment, Fresh: *fresh})
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
		fmt.Fprintln(inv.stdout, stepLine(s))
		if len(s.Questions) > 1 { // the line says all of a single one
			for _, q := range s.Questions {
				t.say(1, "asked", questionText(q))
			}
		}
		t.say(1, "then", s.Then)
	}
	taken := 0
	for _, c := range a.Certificates {
		fmt.Fprintf(inv.stdout, "%-12s %s  %s, until %s: %s", c.Source, short(c.SHA256), c.Subject, c.NotAfter.Format(time.DateOnly), c.Verdict)
		if c.Detail != "" {
			fmt.Fprintf(inv.stdout, " (%s)", c.Detail)
		}
		if c.Anchor != "" {
			fmt.Fprintf(inv.stdout, ", by the anchor %s", c.Anchor)
		}
		fmt.Fprintln(inv.stdout)
		if c.Taken {
			taken++
			t.say(1, "taken", "messages are encrypted to it")
		} else {
			t.say(1, "left", "nothing is encrypted to it: "+c.Verdict)
		}
		if c.Hint != a.Hint {
			t.say(1, "what to do", c.Hint)
		}
		t.story(1, c.Story)
	}
	fmt.Fprintf(inv.stdout, "%s from %s: %s\n", a.Address, a.From, a.Verdict)
	t.say(1, "judged", "as of "+moment(a.At))
	t.say(1, "asked", asked(a))
	if taken > 0 {
		t.say(1, "taken", "a message is encrypted to "+these(taken))
	}
	t.say(1, "detail", a.Detail)
	t.say(1, "what to do", a.Hint)
}

// stepLine is one question of discovery with what came of it.
func stepLine(s control.LookupStep) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %s", s.Source, s.Query)
	if s.Server != "" {
		b.WriteString(" at " + s.Server)
	}
	fmt.Fprintf(&b, ": %s (", s.Outcome)
	if s.Cached {
		b.WriteString("known for " + span(time.Duration(s.Age)*time.Second))
	} else {
		fmt.Fprintf(&b, "%.1f ms", s.Milliseconds)
	}
	if s.Left > 0 {
		b.WriteString(", counts for " + span(time.Duration(s.Left)*time.Second))
	}
	return b.String() + ")"
}

// questionText is one question to one server with its answer.
func questionText(q control.LookupQuestion) string {
	text := fmt.Sprintf("%s at %s: %s", q.Query, q.Server, q.Answer)
	if q.Detail != "" {
		text += ", " + q.Detail
	}
	return fmt.Sprintf("%s (%.1f ms)", text, q.Milliseconds)
}

// asked says where an answer is from.
func asked(a control.LookupAnswer) string {
	switch {
	case len(a.Steps) == 0:
		return "nobody: the address is of a domain of ours"
	case a.Questions > 0:
		return count(a.Questions, "question") + " to the network"
	case slices.ContainsFunc(a.Steps, func(s control.LookupStep) bool { return s.Cached }):
		return "nobody now: the answers are known; --fresh asks anew"
	}
	return ""
}

func these(n int) string {
	if n == 1 {
		return "this 1 certificate"
	}
	return fmt.Sprintf("these %d certificates", n)
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
