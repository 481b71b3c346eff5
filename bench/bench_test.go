package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own program be a peer, as the command does.
func TestMain(m *testing.M) {
	name := os.Getenv(servesAs)
	if name == "" {
		os.Exit(m.Run())
	}
	err := serveAs(name)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// smoke is a bench that measures as little as can be.
func smoke(t *testing.T) *bench {
	t.Helper()
	b := &bench{rounds: 1, turn: time.Millisecond, warm: time.Millisecond, sizes: []int{10 << 10}, anchors: 100, revoked: 100, addresses: 80,
		crowds: []int{0, 20}, mails: 10, long: 300 * time.Millisecond}
	var err error
	b.dir, err = os.MkdirTemp("", "postern-bench-") // unlike t.TempDir, one that other users may be let into
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(b.dir) })
	b.rig, err = newRig(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every group that measures by itself still works, whatever its figures say.
// The others run tests and benchmarks of other packages.
func TestGroupsMeasure(t *testing.T) {
	elsewhere := map[string]bool{"B1": true, "B2": true, "B6": true, "B10": true, "B15": true, "B18": true, "T1": true}
	b := smoke(t)
	for _, g := range groups() {
		if elsewhere[g.id] {
			continue
		}
		t.Run(g.id, func(t *testing.T) {
			found, err := g.run(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				t.Error("there is no figure")
			}
			for _, f := range found {
				if f.ID != g.id || f.Skipped == "" && (f.Ours <= 0 || f.Ratio == 0) {
					t.Errorf("figure %+v", f)
				}
			}
		})
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose("b3,B12")
	if err != nil || len(chosen) != 2 || chosen[0].id != "B3" || chosen[1].id != "B12" {
		t.Errorf("chosen %v, %v", chosen, err)
	}
	_, err = choose("B3,X9")
	if err == nil || !strings.Contains(err.Error(), "X9") {
		t.Errorf("an unknown figure: %v", err)
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		f    figure
		want string
	}{
		{figure{Ratio: 1, Spread: 1}, ""},
		{figure{Ratio: 1, Spread: 1}.atLeast(1), "met"},
		{figure{Ratio: 0.9, Spread: 1}.atLeast(1), "below"},
		{figure{Ratio: 1.2, Spread: 1}.atMost(1.1), "below"},
		{figure{Ratio: 2, Spread: 1.6}.atLeast(1), "noisy (spread 1.60), no verdict"},
		{skipped("B3", "", "no compiler"), "skipped: no compiler"},
	} {
		if got := c.f.verdict(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.f, got, c.want)
		}
	}
}

// Turns are compared round by round, so that what changes both sides changes no
// ratio.
func TestCompared(t *testing.T) {
	at := func(n int) turn { return turn{N: n, CPU: 1e9} }
	f := compared(figure{}, perCPU, []turn{at(10), at(200), at(30)}, []turn{at(20), at(400), at(60)})
	if f.Ours != 30 || f.Peer != 60 || f.Ratio != 0.5 || f.Spread != 1 {
		t.Errorf("%+v", f)
	}
}
