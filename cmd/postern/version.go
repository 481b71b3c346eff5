package main

import (
	"context"
	"fmt"
	"runtime"
)

// version is set by the build from the latest entry of CHANGELOG.md.
var version = "0.1.0"

func runVersion(_ context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("version"), args, 0, 0)
	if err != nil {
		return err
	}
	if inv.json {
		return inv.printJSON(map[string]string{"version": version, "go": runtime.Version()})
	}
	fmt.Fprintf(inv.stdout, "postern %s (%s)\n", version, runtime.Version())
	return nil
}
