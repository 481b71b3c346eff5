package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

func runAccountAdd(ctx context.Context, inv *invocation, args []string) error {
	return inv.withPassword(ctx, "account add", args, func(c *control.Client, address string, password []byte) error {
		err := c.AddAccount(ctx, address, password)
		if err == nil {
			fmt.Fprintf(inv.stdout, "%s can submit and pick up mail\n", address)
		}
		return err
	})
}

func runAccountPasswd(ctx context.Context, inv *invocation, args []string) error {
	return inv.withPassword(ctx, "account passwd", args, func(c *control.Client, address string, password []byte) error {
		err := c.ChangePassword(ctx, address, password)
		if err == nil {
			fmt.Fprintf(inv.stdout, "%s has a new password\n", address)
		}
		return err
	})
}

func (inv *invocation) withPassword(ctx context.Context, name string, args []string, do func(*control.Client, string, []byte) error) error {
	fs := flags(name)
	file := fs.String("password-file", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	password, err := inv.password(*file, "password for "+rest[0], true)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error { return do(c, rest[0], password) })
}

func runAccountList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("account list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Accounts(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(all)
		}
		for _, a := range all {
			state := ""
			if a.Disabled {
				state = "  disabled"
			}
			fmt.Fprintf(inv.stdout, "%s%s\n", a.Address, state)
		}
		return nil
	})
}

func runAccountDisable(ctx context.Context, inv *invocation, args []string) error {
	return inv.onAccount(ctx, "account disable", args, "is shut out", func(c *control.Client, address string) error {
		return c.SetDisabled(ctx, address, true)
	})
}

func runAccountEnable(ctx context.Context, inv *invocation, args []string) error {
	return inv.onAccount(ctx, "account enable", args, "is let in", func(c *control.Client, address string) error {
		return c.SetDisabled(ctx, address, false)
	})
}

func runAccountRemove(ctx context.Context, inv *invocation, args []string) error {
	return inv.onAccount(ctx, "account remove", args, "is gone", func(c *control.Client, address string) error {
		return c.RemoveAccount(ctx, address)
	})
}

func (inv *invocation) onAccount(ctx context.Context, name string, args []string, done string, do func(*control.Client, string) error) error {
	rest, err := parse(flags(name), args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := do(c, rest[0])
		if err == nil {
			fmt.Fprintf(inv.stdout, "%s %s\n", rest[0], done)
		}
		return err
	})
}
