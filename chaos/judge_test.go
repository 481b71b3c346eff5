package main

import (
	"bytes"
	"encoding/json"
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
		if r.good() != (c.bad == nil) {
			t.Errorf("%s: good is %t", c.name, r.good())
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
		if r.Unfound != c.unfound || r.good() != (c.unfound == 1) {
			t.Errorf("%s with %s: unfound %d, good %t", c.to, c.reason, r.Unfound, r.good())
		}
	}
}
