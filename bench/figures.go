package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// outFigure and inFigure are B1 and B2: the agent in process against the least
// that the same message costs.
func outFigure(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./sta", "^BenchmarkB1_OutSmall$")
	if err != nil {
		return nil, err
	}
	return []figure{ratio("B1", "out, 10 KiB, one recipient, against its floor", "msg/s", found["B1_OutSmall"], "msg/s", "peer-msg/s", 0.90)}, nil
}

func inFigure(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./sta", "^BenchmarkB2_InSmall$")
	if err != nil {
		return nil, err
	}
	return []figure{ratio("B2", "in, 10 KiB with its path, against its floor", "msg/s", found["B2_InSmall"], "msg/s", "peer-msg/s", 0.85)}, nil
}

// storeFigures are B10: appends to a mailbox against bbolt alone.
func storeFigures(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./store", "^BenchmarkB10_Append$")
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, name := range slices.SortedFunc(maps.Keys(found), byNumbers) {
		what := strings.NewReplacer("B10_Append/", "append ", "size=", "", "writers=", "writers ", "/", ", ").Replace(name)
		f := ratio("B10", what+", against bbolt alone", "puts/s", found[name], "puts/s", "peer-puts/s", 0.8)
		if !strings.HasSuffix(name, "=1") && !strings.HasSuffix(name, "=50") {
			f.Target = "" // for the shape of the curve
		}
		all = append(all, f)
	}
	return all, nil
}

// byNumbers orders names by length first, so that numbers within come in order.
func byNumbers(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// smtpFigures are B18: receiving alone against the bare library. There the
// figure is processor time, and less is better.
func smtpFigures(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./smtp", "^BenchmarkB18")
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, name := range slices.SortedFunc(maps.Keys(found), byNumbers) {
		m := found[name]
		most := 0.5
		if strings.Contains(name, "10KiB") {
			most = 1.0
		}
		f := figure{
			ID: "B18", What: "receive " + name[strings.IndexByte(name, '/')+1:] + ", processor time against bare go-smtp",
			Ours: m["cpu-us/message"], Peer: m["bare-cpu-us/message"], Unit: "us", Ratio: m["ratio"], Spread: 1,
			Target: fmt.Sprintf("<= %g", most),
		}
		f.Met = f.Ratio <= most
		all = append(all, f)
	}
	return all, nil
}

func ratio(id, what, unit string, m map[string]float64, ours, peer string, least float64) figure {
	return figure{
		ID: id, What: what, Unit: unit, Ours: m[ours], Peer: m[peer], Ratio: m["ratio"], Spread: m["spread"],
		Target: fmt.Sprintf(">= %g", least), Met: m["ratio"] >= least,
	}
}

// mostApart is how far ways to fail may be apart that are one outcome.
const mostApart = 1.1

// timingFigures are T1: the time of the ways in which opening fails.
func timingFigures(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./internal/cms/smime", "^BenchmarkT1_FailurePaths$")
	if err != nil {
		return nil, err
	}
	var all []figure
	for _, name := range slices.Sorted(maps.Keys(found)) {
		m := found[name]
		var ways []string
		for _, unit := range slices.Sorted(maps.Keys(m)) {
			way, ok := strings.CutSuffix(unit, "-us")
			if ok {
				ways = append(ways, fmt.Sprintf("%s %.0f", way, m[unit]))
			}
		}
		f := figure{
			ID: "T1", What: "failing, " + strings.TrimPrefix(name, "T1_FailurePaths/") + ": " + strings.Join(ways, ", ") + " us",
			Ours: m["slowest/us"], Peer: m["fastest/us"], Unit: "us", Ratio: m["apart"], Spread: m["spread"],
		}
		all = append(all, f.atMost(mostApart))
	}
	return all, nil
}

// mailboxFigures are B15: storing messages in many mailboxes beside 100,000
// others, and opening such a store.
func mailboxFigures(ctx context.Context, _ *bench) ([]figure, error) {
	found, err := goBench(ctx, "./store", "^BenchmarkB15_Mailboxes$")
	if err != nil {
		return nil, err
	}
	m := found["B15_Mailboxes"]
	var all []figure
	for _, n := range []string{"1000", "10000"} {
		f := figure{
			ID: "B15", What: "store 2 KiB with 100,000 stored, 10 writers, in " + n + " mailboxes against one", Unit: "puts/s",
			Ours: m["puts/s-"+n], Peer: m["puts/s-1"], Ratio: m["ratio-"+n], Spread: m["spread-"+n],
		}
		all = append(all, f.atLeast(0.7))
	}
	f := figure{ID: "B15", What: "open a store with 100,000 messages in 10000 mailboxes, against one", Unit: "ms", Spread: 1}
	f.Ours, f.Peer = m["ms-open-10000"], m["ms-open-1"]
	f.Ratio = f.Ours / max(f.Peer, 1)
	return append(all, f), nil
}
