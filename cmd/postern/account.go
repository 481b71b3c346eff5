package main

import (
	"context"
	"flag"
	"fmt"

	"postern/internal/control"
	"postern/mime"
)

func runAccountAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("account add")
	patient := fs.Bool("patient", false, "")
	return inv.withPassword(ctx, fs, args, "can submit and pick up mail", func(c *control.Client, ctx context.Context, address string, password []byte) error {
		added, err := c.MakeAccount(ctx, control.AccountOrder{Address: address, Password: password, Patient: *patient})
		inv.warn(added.Warnings)
		return err
	})
}

func runAccountPasswd(ctx context.Context, inv *invocation, args []string) error {
	return inv.withPassword(ctx, inv.flags("account passwd"), args, "has a new password", (*control.Client).ChangePassword)
}

func (inv *invocation) withPassword(ctx context.Context, fs *flag.FlagSet, args []string, done string, do func(*control.Client, context.Context, string, []byte) error) error {
	file := fs.String("password-file", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	address, err := mime.ParseAddress(rest[0])
	if err != nil {
		return err
	}
	password, err := inv.password(*file, "password for "+address.String(), true)
	if err != nil {
		return err
	}
	if len(password) == 0 {
		return usagef("type it at the prompt, or give it in a file with --password-file or on standard input", "there is no password")
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := do(c, ctx, address.String(), password)
		if err != nil {
			return err
		}
		return inv.answer(control.AccountName{Address: address.String()}, "%s %s", address, done)
	})
}

func runAccountList(ctx context.Context, inv *invocation, args []string) error {
	return runList(ctx, inv, "account list", args, (*control.Client).Accounts, func(a control.AccountInfo) string {
		state := ""
		if text := accountState(a); text != "" {
			state = "  " + text
		}
		return fmt.Sprintf("%s  %s%s  %s", a.Address, fill(a), state, used(a.LastUse))
	})
}

func runAccountDisable(ctx context.Context, inv *invocation, args []string) error {
	return inv.onAccount(ctx, "account disable", args, "is shut out", func(c *control.Client, ctx context.Context, address string) error {
		return c.SetDisabled(ctx, address, true)
	})
}

func runAccountEnable(ctx context.Context, inv *invocation, args []string) error {
	return inv.onAccount(ctx, "account enable", args, "is let in", func(c *control.Client, ctx context.Context, address string) error {
		return c.SetDisabled(ctx, address, false)
	})
}

func runAccountPatient(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("account patient")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	on, known := map[string]bool{"on": true, "off": false}[rest[1]]
	if !known {
		return wrongUse(fs, "%q is neither on nor off", rest[1])
	}
	done := "is no patient's"
	if on {
		done = "is a patient's: only its own certificates speak for it"
	}
	return inv.onAccount(ctx, "account patient", rest[:1], done, func(c *control.Client, ctx context.Context, address string) error {
		return c.SetPatient(ctx, address, on)
	})
}

// onAccount does something to the address that is the one argument.
func (inv *invocation) onAccount(ctx context.Context, name string, args []string, done string, do func(*control.Client, context.Context, string) error) error {
	all, err := inv.parseAddresses(name, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		err := do(c, ctx, all[0])
		if err != nil {
			return err
		}
		return inv.answer(control.AccountName{Address: all[0]}, "%s %s", all[0], done)
	})
}

// onOneOf does something to what two arguments name: an address, and the id of something
// that it has.
func (inv *invocation) onOneOf(ctx context.Context, name string, args []string, do func(c *control.Client, address, id string) error) error {
	rest, err := parse(inv.flags(name), args, 2, 2)
	if err != nil {
		return err
	}
	address, err := mime.ParseAddress(rest[0])
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error { return do(c, address.String(), rest[1]) })
}
