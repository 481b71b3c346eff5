// Command chaos has two gateways carry mail while everything goes wrong: they
// are killed at random moments, peers reset and stall, DNS and LDAP hang, clocks
// step, disks are full. At the end it counts what became of each message, and
// ends with 1 if a count that must be 0 is not. It stays on loopback.
// docs/chaos.md says what is counted.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"testing"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o order
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what the random moments and faults come from")
	flag.IntVar(&o.kills, "kills", 100, "how often a gateway is killed")
	flag.IntVar(&o.sessions, "sessions", 10, "sessions of clients at each gateway")
	flag.DurationVar(&o.pause, "pause", 400*time.Millisecond, "the time between two messages of one session, at most")
	flag.DurationVar(&o.between, "between", 2*time.Second, "the time between two kills, on average")
	flag.DurationVar(&o.drain, "drain", 3*time.Minute, "how long what is left may take in the end")
	flag.Parse()
	if flag.NArg() != 0 || o.kills < 0 || o.sessions < 1 || o.pause <= 0 || o.between <= 0 || o.drain <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	fmt.Printf("seed %d\n", o.seed)
	var r *report
	whole := perform(ctx, os.Stdout, func(t testing.TB) { r = newWorld(t, o).run() })
	if r == nil {
		os.Exit(1) // it has said why
	}
	err := r.print(os.Stdout)
	if err != nil || !whole || !r.good() {
		os.Exit(1)
	}
}

func portOf(t testing.TB, addr string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return port
}
