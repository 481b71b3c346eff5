package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJudgeCountsWhatMustNotBe(t *testing.T) {
	plain, timely, unknown := &message{accepted: true}, &message{accepted: true, timely: true}, &message{}
	said := func(arrived int, answers ...string) *finding { return &finding{arrived: arrived, answers: answers} }
	for _, c := range []struct {
		name string
		m    *message
		want fate
		f    *finding
		bad  []string
	}{
		{"arrived and told", plain, arrives, said(1, "processed"), nil},
		{"arrived and told all", timely, arrives, said(1, "processed", "dispatched"), nil},
		{"failed and told", plain, fails, said(0, "failed"), nil},
		{"never here", unknown, arrives, said(0), nil},
		{"here without our knowing", unknown, arrives, said(1, "processed"), nil},
		{"displayed is no answer of ours", timely, arrives, said(1, "processed", "dispatched", "displayed"), nil},
		{"lost", plain, arrives, said(0), []string{"accepted and lost", "senders without a final answer"}},
		{"lost, and told to be there", plain, taken, said(0, "processed"), []string{"accepted and lost"}},
		{"not delivered without need", plain, arrives, said(0, "failed"), []string{"senders with a wrong answer"}},
		{"twice", plain, arrives, said(2, "processed"), []string{"delivered twice"}},
		{"changed", plain, arrives, &finding{arrived: 1, changed: 1, answers: []string{"processed"}}, []string{"delivered changed, or to the wrong one"}},
		{"came to nobody", plain, fails, said(1, "failed"), []string{"delivered changed, or to the wrong one"}},
		{"told nothing", plain, arrives, said(1), []string{"senders without a final answer"}},
		{"told nothing, and it was not accepted as far as we know", unknown, arrives, said(1), []string{"senders without a final answer"}},
		{"not told of delivery", timely, arrives, said(1, "processed"), []string{"senders without a final answer"}},
		{"told twice", plain, arrives, said(1, "processed", "processed"), []string{"senders with two final answers"}},
		{"told of delivery that nobody asked for", plain, taken, said(1, "processed", "dispatched"), []string{"senders with two final answers"}},
		{"told of delivery alone", plain, taken, said(1, "dispatched"), nil},
		{"processed told twice", timely, arrives, said(1, "processed", "processed", "dispatched"), []string{"senders with two final answers"}},
		{"failure told twice", plain, fails, said(0, "failed", "failed"), []string{"senders with two final answers"}},
		{"failure of what arrived", plain, arrives, said(1, "processed", "failed"), []string{"senders with a wrong answer"}},
		{"success of what failed", plain, fails, said(0, "failed", "processed"), []string{"senders with a wrong answer"}},
	} {
		r := newReport(1)
		r.judge(c.m, "bob@b.example", c.want, c.f)
		var bad []string
		for _, z := range r.zeros() {
			if *z.count > 0 {
				bad = append(bad, z.name)
			}
		}
		if diff := cmp.Diff(c.bad, bad); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if r.sound() != (c.bad == nil) {
			t.Errorf("%s: sound is %t", c.name, r.sound())
		}
	}
}

func TestReportPrintsATableAndJSON(t *testing.T) {
	r := newReport(42)
	r.add(&r.Lost, "of %s", "alice")
	var out bytes.Buffer
	err := r.print(&out)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var again report
	err = json.Unmarshal([]byte(lines[len(lines)-1]), &again)
	if err != nil || again.Seed != 42 || again.Lost != 1 {
		t.Errorf("the last line is no report: %v, %+v", err, again)
	}
	if !strings.Contains(out.String(), "must be 0") || lines[0] != "accepted and lost: of alice" {
		t.Errorf("the table does not say what is wrong:\n%s", out.String())
	}
}

// A directory that does not answer ends in a failure (CD-31), and nothing else
// may.
func TestJudgeKnowsTheDirectory(t *testing.T) {
	for _, c := range []struct {
		to, reason string
		arrived    int
		unfound    int
	}{
		{"carol@c.example", "x-postern; no-certificate", 0, 1},
		{"carol@c.example", "x-postern; untrusted-anchor", 0, 0},
		{"carol@c.example", "x-postern; no-certificate", 1, 0},
		{"bob@b.example", "x-postern; no-certificate", 0, 0},
	} {
		r := newReport(1)
		r.judge(&message{accepted: true}, c.to, arrives, &finding{arrived: c.arrived, answers: []string{"failed"}, reasons: []string{c.reason}})
		if r.Unfound != c.unfound || r.sound() != (c.unfound == 1) {
			t.Errorf("%s with %s: unfound %d, sound %t", c.to, c.reason, r.Unfound, r.sound())
		}
	}
}

// A run that shows nothing is not good, and says what did not happen.
func TestReportIsGoodIfItShowsSomething(t *testing.T) {
	shown := func(change func(*report)) *report {
		r := newReport(1)
		r.Kills, r.Delivered = fullRun, 1
		r.Accepted["a.example"], r.Accepted["b.example"], r.Faults["DNS hangs"] = 1, 1, 1
		change(r)
		return r
	}
	for name, c := range map[string]struct {
		change  func(*report)
		unshown []string
		bad     bool
	}{
		"all":                         {func(*report) {}, nil, false},
		"lost":                        {func(r *report) { r.Lost = 1 }, nil, true},
		"nothing accepted":            {func(r *report) { clear(r.Accepted) }, []string{"answered 250"}, true},
		"one way":                     {func(r *report) { r.Accepted["b.example"] = 0 }, []string{"answered 250, from b.example"}, true},
		"nothing delivered":           {func(r *report) { r.Delivered = 0 }, []string{"delivered"}, true},
		"a fault that never came":     {func(r *report) { r.Faults["DNS hangs"] = 0 }, []string{"DNS hangs"}, true},
		"the same in a run of twenty": {func(r *report) { r.Faults["DNS hangs"], r.Kills = 0, 20 }, nil, false},
	} {
		r := shown(c.change)
		if diff := cmp.Diff(c.unshown, r.unshown()); diff != "" || r.good() == c.bad {
			t.Errorf("%s: good %t, %s", name, r.good(), diff)
		}
		var out bytes.Buffer
		err := r.print(&out)
		if err != nil || !strings.Contains(out.String(), "DNS hangs") {
			t.Errorf("%s: a fault is not named: %v\n%s", name, err, out.String())
		}
	}
}

// All faults come before any comes again, and one that did no harm is not counted.
func TestWeatherDealsAllFaults(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // waits end at once
	random := rand.New(rand.NewPCG(1, 1))
	ran := make(map[string]int)
	var faults []fault
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		faults = append(faults, fault{name, func(context.Context, *rand.Rand) bool {
			ran[name]++
			return name != "e"
		}})
	}
	count := make(map[string]int)
	w := newWeather(faults, random, count)
	for n := range 3 * len(faults) {
		w.bring(ctx, random)
		for name, times := range ran {
			if times > n/len(faults)+1 {
				t.Fatalf("after %d faults %s came %d times", n+1, name, times)
			}
		}
	}
	if diff := cmp.Diff(map[string]int{"a": 3, "b": 3, "c": 3, "d": 3, "e": 0}, count); diff != "" {
		t.Error(diff)
	}
}
