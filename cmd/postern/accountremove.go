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
		return inv.tellRemoved(removed, removed.Address+" is gone, and its mail with it", removed.Ended, removed.Waiting, fates{
			edge:   fate{"messages and notices that wait for its edge", "they fail as unknown-recipient, and their senders are told"},
			events: fate{"events that wait for its web hooks", "they are lost"},
			sent:   fate{"messages of its own under way", "they go on where they are signed, or its domain's certificate signs them; nobody here is told what becomes of them, postern track shows it"},
		})
	})
}

// A fate is what waited for something that is gone, and what becomes of it.
type fate struct{ what, then string }

// fates are those that differ with what is gone.
type fates struct{ edge, events, sent fate }

// tellRemoved says that something is gone, which addresses ended with it and what waited,
// where anything did.
func (inv *invocation) tellRemoved(removed any, gone string, ended []string, w *control.Waiting, f fates) error {
	err := inv.answer(removed, "%s", gone)
	if err != nil || inv.json {
		return err
	}
	for _, name := range ended {
		fmt.Fprintf(inv.stdout, "  %s is no address of ours any more\n", name)
	}
	if w == nil {
		return nil
	}
	for _, waited := range []struct {
		n int
		fate
	}{
		{w.Opening, fate{"messages to it that are still to be opened", "they reach nobody"}},
		{w.Edge, f.edge}, {w.Events, f.events}, {w.Sent, f.sent},
	} {
		if waited.n > 0 {
			fmt.Fprintf(inv.stdout, "  %s: %d; %s\n", waited.what, waited.n, waited.then)
		}
	}
	return nil
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
