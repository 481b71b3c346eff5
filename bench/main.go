// Command bench measures Postern against floors and peers that run beside it,
// and prints one JSON line for each figure and a table. Figures are ratios of
// one run: a machine that is busy or slow changes both sides. docs/performance.md
// says what each workload is.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx) // which ends the servers that it started
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	name := os.Getenv(servesAs)
	if name != "" {
		return serveAs(name)
	}
	only := flag.String("only", "", "measure these `IDS` alone, as B3,B12")
	b := &bench{sizes: allSizes(), anchors: 10_000, revoked: 100_000, addresses: 1000, crowds: []int{0, 10_000, 100_000}}
	flag.IntVar(&b.rounds, "rounds", 5, "how often the sides take turns")
	flag.DurationVar(&b.turn, "turn", 200*time.Millisecond, "how long one turn takes")
	flag.DurationVar(&b.warm, "warm", 5*time.Second, "how long a virtual machine warms up for one workload")
	flag.IntVar(&b.mails, "mails", 300, "how many messages go through a gateway in one turn")
	flag.DurationVar(&b.long, "long", 30*time.Second, "how long B17 watches a gateway under load")
	flag.Parse()
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	err = b.prepare()
	if err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	return runAll(ctx, os.Stdout, b, chosen)
}

// A bench is how to measure, and what all groups share.
type bench struct {
	rounds     int
	turn, warm time.Duration
	sizes      []int // of messages, in octets
	anchors    int   // at most, in B12
	revoked    int   // certificates in R1
	addresses  int   // looked up in D
	crowds     []int // messages that wait in B14, the first none
	mails      int   // that go through a gateway in one turn
	long       time.Duration
	series     int // of messages, so that no two are the same
	dir        string
	rig        *rig
}

func (b *bench) prepare() error {
	var err error
	b.dir, err = os.MkdirTemp("", "postern-bench-")
	if err != nil {
		return err
	}
	b.rig, err = newRig(b.dir)
	return err
}

// A group is figures that are measured together.
type group struct {
	id  string
	run func(context.Context, *bench) ([]figure, error)
}

func groups() []group {
	return []group{
		{"B1", outFigure},
		{"B2", inFigure},
		{"B3", cFigures},
		{"B4", libraryFigures},
		{"B5", javaFigures},
		{"B6", memoryFigures},
		{"B7", relayFigures},
		{"B8", filterFigures},
		{"B9", inboundFigures},
		{"B10", storeFigures},
		{"B11", imapFigures},
		{"B12", anchorFigures},
		{"B13", recipientFigures},
		{"B14", depthFigures},
		{"B15", mailboxFigures},
		{"B17", longFigures},
		{"B18", smtpFigures},
		{"C1", gcmFigures},
		{"C2", agreementFigures},
		{"C3", pssFigures},
		{"D", discoveryFigures},
		{"P1", popFigures},
		{"R1", revocationFigures},
		{"T1", timingFigures},
		{"TB", bundleFigures},
	}
}

// choose returns the groups named, each once; all if none is.
func choose(only string) ([]group, error) {
	if only == "" {
		return groups(), nil
	}
	var chosen []group
	for _, id := range strings.Split(only, ",") {
		i := slices.IndexFunc(groups(), func(g group) bool { return strings.EqualFold(g.id, id) })
		if i < 0 {
			return nil, fmt.Errorf("there is no figure %q", id)
		}
		chosen = append(chosen, groups()[i])
	}
	return chosen, nil
}

func runAll(ctx context.Context, w io.Writer, b *bench, chosen []group) error {
	fmt.Fprintf(w, "%s, %s/%s, %d processors, %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), peerVersions(ctx))
	var all []figure
	for _, g := range chosen {
		found, err := g.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", g.id, err)
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
