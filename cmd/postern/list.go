package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

// runList is a command without arguments that lists what there is of something.
func runList[T any](ctx context.Context, inv *invocation, name string, args []string, all func(*control.Client, context.Context) ([]T, error), line func(T) string) error {
	_, err := parse(inv.flags(name), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		found, err := all(c, ctx)
		if err != nil {
			return err
		}
		return printList(inv, found, line)
	})
}

// runListOf is a command that lists what an account has of something, or with no address
// what all have.
func runListOf[T any](ctx context.Context, inv *invocation, name string, args []string, of func(*control.Client, context.Context, string) ([]T, error), line func(T) string) error {
	addresses, err := inv.parseAddresses(name, args, 0, 1)
	if err != nil {
		return err
	}
	address := ""
	if len(addresses) > 0 {
		address = addresses[0]
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		found, err := of(c, ctx, address)
		if err != nil {
			return err
		}
		return printList(inv, found, line)
	})
}

// printList prints a line for each, or all as one JSON value.
func printList[T any](inv *invocation, all []T, line func(T) string) error {
	if inv.json {
		return inv.printJSON(listed(all))
	}
	for _, one := range all {
		fmt.Fprintln(inv.stdout, line(one))
	}
	return nil
}

// listed makes an empty list of none at all, which JSON would write as null.
func listed[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
