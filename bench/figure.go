package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A figure is one measured workload.
type figure struct {
	ID      string  `json:"id"`
	What    string  `json:"what"`
	Ours    float64 `json:"ours"`
	Peer    float64 `json:"peer"`
	Unit    string  `json:"unit"`
	Ratio   float64 `json:"ratio"`  // or, for memory and slopes, what What says
	Spread  float64 `json:"spread"` // greatest by least ratio of the turns
	Target  string  `json:"target,omitempty"`
	Met     bool    `json:"met"` // false without a target
	Skipped string  `json:"skipped,omitempty"`
}

// noisy is the spread beyond which a figure is no verdict.
const noisy = 1.5

// skipped is a figure that cannot be had here.
func skipped(id, what, why string) figure { return figure{ID: id, What: what, Skipped: why} }

func (f figure) verdict() string {
	switch {
	case f.Skipped != "":
		return "skipped: " + f.Skipped
	case f.Target == "":
		return ""
	case f.Spread > noisy:
		return fmt.Sprintf("noisy (spread %.2f), no verdict", f.Spread)
	case f.Met:
		return "met"
	}
	return "below"
}

func printTable(w io.Writer, all []figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nid\twhat\tours\tpeer or floor\tratio\tspread\ttarget\tverdict")
	for _, f := range all {
		if f.Skipped != "" {
			fmt.Fprintf(t, "%s\t%s\t\t\t\t\t\t%s\n", f.ID, f.What, f.verdict())
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%.4g %s\t%.4g\t%.3g\t%.2f\t%s\t%s\n", f.ID, f.What, f.Ours, f.Unit, f.Peer, f.Ratio, f.Spread, f.Target, f.verdict())
	}
	return t.Flush()
}
