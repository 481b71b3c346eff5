package main

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestInteropChaos is a short run of the whole.
func TestInteropChaos(t *testing.T) {
	t.Parallel()
	o := order{seed: uint64(time.Now().UnixNano()), kills: 8, sessions: 5, pause: 50 * time.Millisecond, between: 1500 * time.Millisecond, drain: 2 * time.Minute}
	t.Logf("seed %d", o.seed)
	r := newWorld(t, o).run()
	var out strings.Builder
	err := r.print(&out)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out.String())
	if !r.good() || t.Failed() {
		t.Error("a count that must be 0 is not, or nothing was shown")
	}
	if r.Delivered < 10 {
		t.Errorf("only %d messages were delivered: this was no load", r.Delivered)
	}
}
