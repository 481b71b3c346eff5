package main

import (
	"context"
	"fmt"
	"strings"

	"postern/internal/control"
	"postern/mime"
	"postern/store"
)

func runGroupAdd(ctx context.Context, inv *invocation, args []string) error {
	all, err := inv.parseAddresses("group add", args, 2, 1+store.MaxMembers)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := c.AddGroup(ctx, all[0], all[1:])
		if err != nil {
			return err
		}
		return inv.answer(control.GroupOrder{Address: all[0], Members: all[1:]}, "%s goes to %s", all[0], strings.Join(all[1:], ", "))
	})
}

func runGroupList(ctx context.Context, inv *invocation, args []string) error {
	return runList(ctx, inv, "group list", args, (*control.Client).Groups, func(g control.GroupInfo) string {
		if g.Damaged {
			return g.Address + "  damaged"
		}
		return g.Address + "  " + count(len(g.Members), "member")
	})
}

func runGroupMembers(ctx context.Context, inv *invocation, args []string) error {
	in, err := inv.parseMembers("group members", args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		g, err := c.ChangeGroup(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(g)
		}
		inv.printLines(g.Members)
		return nil
	})
}

// parseMembers reads an address and what is to be added and removed there.
func (inv *invocation) parseMembers(name string, args []string) (control.MemberChange, error) {
	fs := inv.flags(name)
	var add, remove repeated
	fs.Var(&add, "add", "")
	fs.Var(&remove, "remove", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return control.MemberChange{}, err
	}
	address, err := mime.ParseAddress(rest[0])
	return control.MemberChange{Address: address.String(), Add: add, Remove: remove}, err
}

func (inv *invocation) printLines(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(inv.stdout, line)
	}
}

func runGroupRemove(ctx context.Context, inv *invocation, args []string) error {
	return inv.removes(ctx, "group remove", args, "is no address of ours any more; its members stay", (*control.Client).RemoveGroup)
}
