// Command bench measures Postern against floors and peers that run beside it,
// and prints one JSON line for each figure and a table. Figures are ratios of
// one run: a machine that is busy or slow changes both sides. docs/performance.md
// says what each workload is.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/tabwriter"
)

// A figure is one measured workload.
type figure struct {
	ID     string  `json:"id"`
	What   string  `json:"what"`
	Ours   float64 `json:"ours"`
	Peer   float64 `json:"peer"`
	Unit   string  `json:"unit"`
	Ratio  float64 `json:"ratio"`  // or, for memory, the difference
	Spread float64 `json:"spread"` // greatest by least ratio of the turns
	Target string  `json:"target,omitempty"`
	Met    bool    `json:"met"` // false without a target
}

// noisy is the spread beyond which a figure is no verdict.
const noisy = 1.5

func main() {
	err := runAll(context.Background(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func runAll(ctx context.Context, w io.Writer) error {
	fmt.Fprintf(w, "%s, %s/%s, %d processors\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	var all []figure
	for _, run := range []func(context.Context) ([]figure, error){agentFigures, memoryFigures, storeFigures, smtpFigures} {
		found, err := run(ctx)
		if err != nil {
			return err
		}
		for _, f := range found {
			err := json.NewEncoder(w).Encode(f)
			if err != nil {
				return err
			}
		}
		all = append(all, found...)
	}
	return printTable(w, all)
}

func printTable(w io.Writer, all []figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nid\twhat\tours\tpeer or floor\tratio\ttarget\tverdict")
	for _, f := range all {
		verdict := "below"
		if f.Met {
			verdict = "met"
		}
		switch {
		case f.Target == "":
			verdict = ""
		case f.Spread > noisy:
			verdict = fmt.Sprintf("noisy (spread %.2f), no verdict", f.Spread)
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g %s\t%.4g\t%.3g\t%s\t%s\n", f.ID, f.What, f.Ours, f.Unit, f.Peer, f.Ratio, f.Target, verdict)
	}
	return t.Flush()
}

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
