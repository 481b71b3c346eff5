package main

import (
	"context"
	"fmt"

	"postern/internal/config"
)

func runConfigCheck(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("config check"), args, 0, 0)
	if err != nil {
		return err
	}
	_, err = inv.loadConfig()
	if err == nil {
		fmt.Fprintf(inv.stdout, "%s is good\n", inv.config)
	}
	return err
}

func runConfigDescribe(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("config describe"), args, 0, 0)
	if err != nil {
		return err
	}
	return config.Describe(inv.stdout)
}
