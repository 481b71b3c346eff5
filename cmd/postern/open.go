package main

import (
	"context"
	"encoding/json"
	"fmt"

	"postern/internal/control"
)

func runOpen(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("open")
	var to repeated
	mailFrom := fs.String("mail-from", "", "")
	at := fs.String("at", "", "")
	fs.Var(&to, "to", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		return wrongUse(fs, "--to is needed")
	}
	in := control.OpenRequest{To: to, MailFrom: *mailFrom}
	in.At, err = parseMoment(*at)
	if err != nil {
		return err
	}
	in.Message, err = inv.readMessage()
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		answer, err := c.Open(ctx, in)
		if err != nil {
			return err
		}
		err = inv.printVerdict(answer.Verdict)
		if err != nil {
			return err
		}
		if answer.Verdict.Verdict != "accepted" {
			return errNegative
		}
		_, err = inv.stdout.Write(answer.Message)
		return err
	})
}

// printVerdict writes the verdict to standard error: the message alone is for
// standard output.
func (inv *invocation) printVerdict(v control.OpenVerdict) error {
	if inv.json {
		return json.NewEncoder(inv.stderr).Encode(v)
	}
	fmt.Fprintf(inv.stderr, "postern: %s: %s\n", v.Verdict, v.Reason)
	for _, line := range []struct{ label, text string }{
		{"detail", v.Detail}, {"what to do", v.Hint}, {"sender", v.Sender}, {"signer", v.Signer},
	} {
		if line.text != "" {
			fmt.Fprintf(inv.stderr, "  %s: %s\n", line.label, line.text)
		}
	}
	for _, r := range v.Recipients {
		fmt.Fprintf(inv.stderr, "  for %s: %s, %s", r.Address, r.Verdict, r.Reason)
		if r.Anchor != "" {
			fmt.Fprintf(inv.stderr, ", by the anchor %s", r.Anchor)
		}
		fmt.Fprintln(inv.stderr)
	}
	return nil
}
