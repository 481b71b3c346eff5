package main

import (
	"context"
	"fmt"

	"postern/internal/control"
	"postern/mime"
)

func runAccountRemove(ctx context.Context, inv *invocation, args []string) error {
	address, untold, err := inv.parseRemoval("account remove", args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		removed, err := c.RemoveAccount(ctx, address, untold)
		if err != nil {
			return err
		}
		err = inv.answer(removed, "%s is gone, and its mail with it", removed.Address)
		if err != nil || inv.json {
			return err
		}
		inv.tellEnded(removed.Ended)
		if w := removed.Waiting; w != nil {
			inv.tellWaiting(
				waiting{w.Opening, "messages to it that are still to be opened", "they reach nobody"},
				waiting{w.Edge, "messages and notices that wait for its edge", "they fail as unknown-recipient, and their senders are told"},
				waiting{w.Events, "events that wait for its web hooks", "they are lost"},
				waiting{w.Sent, "messages of its own under way", "they go on where they are signed, or its domain's certificate signs them; nobody here is told what becomes of them, postern track shows it"})
		}
		return nil
	})
}

// tellEnded names addresses that ended with something.
func (inv *invocation) tellEnded(all []string) {
	for _, ended := range all {
		fmt.Fprintf(inv.stdout, "  %s is no address of ours any more\n", ended)
	}
}

// waiting is what waited for something that is gone, and what becomes of it.
type waiting struct {
	n          int
	what, then string
}

// tellWaiting says what waited, where anything did.
func (inv *invocation) tellWaiting(all ...waiting) {
	for _, w := range all {
		if w.n > 0 {
			fmt.Fprintf(inv.stdout, "  %s: %d; %s\n", w.what, w.n, w.then)
		}
	}
}

// parseRemoval reads an address that is to go.
func (inv *invocation) parseRemoval(name string, args []string) (address string, untold bool, err error) {
	fs := inv.flags(name)
	fs.BoolVar(&untold, "untold", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return "", false, err
	}
	a, err := mime.ParseAddress(rest[0])
	return a.String(), untold, err
}

// removes ends an address that is no account.
func (inv *invocation) removes(ctx context.Context, name string, args []string, done string, do func(*control.Client, context.Context, string, bool) error) error {
	address, untold, err := inv.parseRemoval(name, args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := do(c, ctx, address, untold)
		if err != nil {
			return err
		}
		return inv.answer(control.AccountName{Address: address}, "%s %s", address, done)
	})
}
