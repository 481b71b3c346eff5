package main

import (
	"context"
	"fmt"
	"time"

	"postern/internal/control"
)

// caBytes bounds a file of authorities.
const caBytes = 1 << 20

func runEdgeSet(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("edge set")
	var in control.EdgeOrder
	fs.StringVar(&in.TLS, "tls", "", "")
	ca := fs.String("ca", "", "")
	fs.StringVar(&in.Pin, "pin", "", "")
	fs.StringVar(&in.User, "user", "", "")
	passwordFile := fs.String("password-file", "", "")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	in.Owner, in.Host = rest[0], rest[1]
	if *passwordFile != "" && in.User == "" {
		return wrongUse(fs, "--password-file needs --user")
	}
	if *ca != "" {
		in.CA, err = inv.readInput(*ca, caBytes)
		if err != nil {
			return err
		}
	}
	if in.User != "" {
		in.Password, err = inv.password(*passwordFile, "password of "+in.User+" at "+in.Host, false)
		if err != nil {
			return err
		}
		if len(in.Password) == 0 {
			return usagef("type it at the prompt, or give it in a file with --password-file or on standard input", "there is no password")
		}
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		e, err := c.SetEdge(ctx, in)
		if err != nil {
			return err
		}
		return inv.answer(e, "%s\nMail that comes is handed over there, and not put into mailboxes. postern edge check %s tries it.", edgeLine(e), e.Owner)
	})
}

func edgeLine(e control.EdgeInfo) string {
	if e.Damaged {
		return e.Owner + "  damaged"
	}
	line := fmt.Sprintf("%s  %s  %s, verified by %s", e.Owner, e.Host, e.TLS, e.Verified)
	if e.Pin != "" {
		line += " " + e.Pin[:16]
	}
	if e.User != "" {
		line += ", as " + oneLine(e.User)
	}
	return line
}

func runEdgeList(ctx context.Context, inv *invocation, args []string) error {
	return runList(ctx, inv, "edge list", args, (*control.Client).Edges, edgeLine)
}

func runEdgeRemove(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("edge remove"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.RemoveEdge(ctx, rest[0])
		if err != nil {
			return err
		}
		return inv.answer(control.EdgeName{Owner: rest[0]}, "%s has its mailboxes again", rest[0])
	})
}

func runEdgeCheck(ctx context.Context, inv *invocation, args []string) error {
	rest, err := parse(inv.flags("edge check"), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		met, err := c.CheckEdge(ctx, rest[0])
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(met)
		}
		t := teller{inv.stdout}
		fmt.Fprintf(inv.stdout, "%s takes mail at %s\n", rest[0], met.Address)
		t.say(1, "TLS", met.TLS)
		t.say(1, "certificate", met.Subject+", until "+met.NotAfter.UTC().Format(time.DateOnly))
		t.say(1, "SHA-256", met.SHA256)
		if met.LoggedIn {
			t.say(1, "login", "by AUTH PLAIN")
		}
		if met.Bytes > 0 {
			t.say(1, "largest message", fmt.Sprintf("%d octets", met.Bytes))
		}
		for _, p := range met.Problems {
			t.say(1, "problem", p)
		}
		return nil
	})
}
