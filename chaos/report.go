package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
)

// A report is the counts of a run. Those of zeros must be 0, those of shown must not.
type report struct {
	Seed      uint64         `json:"seed"`
	Seconds   float64        `json:"seconds"`
	Kills     int            `json:"kills"`
	Torn      int            `json:"torn"`   // copies of stores that were torn
	Faults    map[string]int `json:"faults"` // how often each did harm
	Offered   int            `json:"offered"`
	Accepted  map[string]int `json:"accepted"`  // answered 250, by the sender's domain
	Delivered int            `json:"delivered"` // messages by recipients
	Told      int            `json:"told"`      // final answers, by recipients
	Again     int            `json:"again"`     // copies that the scripted far side got after a kill (RFC 1047)

	Unfound int `json:"unfound"` // recipients whose directory did not answer, and whose senders were told

	Lost      int `json:"lost"`
	Twice     int `json:"twice"`
	Changed   int `json:"changed"` // or came to whom it must not
	Untold    int `json:"untold"`
	ToldTwice int `json:"told_twice"`
	Wrong     int `json:"wrong"`
	Strange   int `json:"strange"` // messages in mailboxes that are neither load nor notice
	Undrained int `json:"undrained"`
	Unsound   int `json:"unsound"`
	Unopened  int `json:"unopened"`
	Panics    int `json:"panics"`

	Problems []string `json:"problems"` // some of what must not be

	suspects []string // Message-IDs of some of it
}

// What is told of each run, at most.
const (
	problemsKept = 50
	suspectsKept = 3
)

func newReport(seed uint64) *report {
	return &report{Seed: seed, Faults: make(map[string]int), Accepted: make(map[string]int), Problems: []string{}}
}

// add counts what must not be.
func (r *report) add(counter *int, format string, args ...any) {
	*counter++
	if len(r.Problems) < problemsKept {
		r.Problems = append(r.Problems, r.nameOf(counter)+": "+fmt.Sprintf(format, args...))
	}
}

// A zero is a count that must be 0.
type zero struct {
	name  string
	count *int
}

func (r *report) zeros() []zero {
	return []zero{
		{"accepted and lost", &r.Lost},
		{"delivered twice", &r.Twice},
		{"delivered changed, or to the wrong one", &r.Changed},
		{"senders without a final answer", &r.Untold},
		{"senders with two final answers", &r.ToldTwice},
		{"senders with a wrong answer", &r.Wrong},
		{"strange messages in mailboxes", &r.Strange},
		{"queues not empty in the end", &r.Undrained},
		{"store check or audit verify failed", &r.Unsound},
		{"torn stores that could not be opened", &r.Unopened},
		{"panics", &r.Panics},
	}
}

func (r *report) nameOf(counter *int) string {
	for _, z := range r.zeros() {
		if z.count == counter {
			return z.name
		}
	}
	return "other"
}

// fullRun is the number of kills from which on every fault must have come.
const fullRun = 100

// unshown are the names of what did not happen and must: a run without mail, or a
// full one without one of the faults, shows nothing.
func (r *report) unshown() (names []string) {
	if r.Delivered == 0 {
		names = append(names, "delivered")
	}
	if len(r.Accepted) == 0 {
		names = append(names, "answered 250")
	}
	for domain, n := range r.Accepted {
		if n == 0 {
			names = append(names, "answered 250, from "+domain)
		}
	}
	for name, n := range r.Faults {
		if n == 0 && r.Kills >= fullRun {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sound reports whether everything that must be 0 is.
func (r *report) sound() bool {
	return !slices.ContainsFunc(r.zeros(), func(z zero) bool { return *z.count != 0 })
}

// good reports whether the run shows that nothing goes wrong.
func (r *report) good() bool { return r.sound() && len(r.unshown()) == 0 }

// print writes the table and then the report as one line of JSON.
func (r *report) print(w io.Writer) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, p)
	}
	for _, name := range r.unshown() {
		fmt.Fprintf(w, "%s: never, so that this run shows nothing of it\n", name)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { fmt.Fprintf(table, "%s\t%v\n", name, value) }
	row("seed", r.Seed)
	row("seconds", fmt.Sprintf("%.0f", r.Seconds))
	row("kill -9", r.Kills)
	row("torn copies of stores", r.Torn)
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		row(name, r.Faults[name])
	}
	row("messages offered", r.Offered)
	for _, domain := range slices.Sorted(maps.Keys(r.Accepted)) {
		row("answered 250, from "+domain, r.Accepted[domain])
	}
	row("delivered, by recipient", r.Delivered)
	row("final answers, by recipient", r.Told)
	row("again to the scripted far side, after a kill", r.Again)
	row("failed for want of an answer by the directory", r.Unfound)
	for _, z := range r.zeros() {
		mark := ""
		if *z.count != 0 {
			mark = "   must be 0"
		}
		row(z.name, fmt.Sprintf("%d%s", *z.count, mark))
	}
	err := table.Flush()
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(r)
}
