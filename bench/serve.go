package main

import (
	"context"
	"fmt"
	"os"
)

// servesAs names the variable that makes this program a peer of itself.
const servesAs = "POSTERN_BENCH_SERVES_AS"

// serveAs is the process in which a Go side works, so that its memory and its
// processor time are its own.
func serveAs(name string) error {
	r, err := readRig(".")
	if err != nil {
		return err
	}
	switch name {
	case "postern":
		return serve(newAgent(r), os.Stdin, os.Stdout)
	case "smallstep":
		return serve(newSmallstep(r), os.Stdin, os.Stdout)
	}
	return fmt.Errorf("there is no side %q", name)
}

func (b *bench) startSelf(ctx context.Context, name string) (*peer, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	return startPeer(ctx, b.dir, []string{servesAs + "=" + name}, program)
}
