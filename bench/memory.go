package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// memoryRoom is what large messages may take beyond small ones, in MiB.
const memoryRoom = 64

// memoryFigures are B6: the peak memory of gateways through which ten messages
// of 25 MiB go at once, against that of gateways with ten of 10 KiB. The
// workload is the test that also holds the bound.
func memoryFigures(ctx context.Context, _ *bench) ([]figure, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-count", "1", "-v", "-run", "^TestInteropMemory$", "./internal/interop")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("the memory workload: %w\n%s", err, out)
	}
	var all []figure
	for line := range strings.Lines(string(out)) {
		f, ok := memoryFigure(line)
		if ok {
			all = append(all, f)
		}
	}
	if len(all) != 2 {
		return nil, fmt.Errorf("the memory workload told %d figures:\n%s", len(all), out)
	}
	return all, nil
}

// memoryFigure reads what the test says of one gateway: its peak, mapped pages
// of the store included, in KiB.
func memoryFigure(line string) (figure, bool) {
	_, text, found := strings.Cut(line, ".go:")
	_, text, ok := strings.Cut(text, ": ")
	if !found || !ok {
		return figure{}, false
	}
	var way string
	var small, smallOwn, large, largeOwn float64
	_, err := fmt.Sscanf(text, "%s ten of 10 KiB: peak %g KiB, anonymous %g KiB; ten of 25 MiB: peak %g KiB, anonymous %g KiB",
		&way, &small, &smallOwn, &large, &largeOwn)
	if err != nil {
		return figure{}, false
	}
	f := figure{
		ID: "B6", What: way + ", ten of 25 MiB at once, peak memory beside ten of 10 KiB: the difference", Unit: "MiB",
		Ours: large / 1024, Peer: small / 1024, Ratio: (large - small) / 1024, Spread: 1,
		Target: fmt.Sprintf("<= %d MiB", memoryRoom),
	}
	f.Met = f.Ratio <= memoryRoom
	return f, true
}
