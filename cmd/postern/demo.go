package main

import (
	"context"
	"errors"
	"os"

	"postern/internal/demo"
)

func runDemo(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("demo")
	dir := fs.String("dir", "", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	if *dir != "" {
		err := os.MkdirAll(*dir, 0o700)
		if err != nil {
			return usagef("give a folder that may be made or written to", "%s", err)
		}
		return demo.Run(ctx, inv.stdout, inv.stderr, *dir)
	}
	temporary, err := os.MkdirTemp("", "postern-demo-")
	if err != nil {
		return err
	}
	return errors.Join(demo.Run(ctx, inv.stdout, inv.stderr, temporary), os.RemoveAll(temporary))
}
