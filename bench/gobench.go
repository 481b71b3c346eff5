package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// goBench runs Go benchmarks and returns their metrics by name.
func goBench(ctx context.Context, pkg, pattern string) (map[string]map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "1x", pkg)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("benchmarks of %s: %w\n%s", pkg, err, out)
	}
	found := make(map[string]map[string]float64)
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		metrics := make(map[string]float64)
		for i := 2; i+1 < len(fields); i += 2 {
			var v float64
			_, err := fmt.Sscanf(fields[i], "%g", &v)
			if err != nil {
				return nil, fmt.Errorf("reading %q: %w", line, err)
			}
			metrics[fields[i+1]] = v
		}
		found[trimProcs(strings.TrimPrefix(fields[0], "Benchmark"))] = metrics
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no benchmark %s", pkg, pattern)
	}
	return found, nil
}

// trimProcs cuts the number of processors off a benchmark's name.
func trimProcs(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return name
	}
	return name[:i]
}
