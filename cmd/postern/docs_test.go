package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/testnet"
	"postern/store"
	"postern/trust/reason"
)

var update = flag.Bool("update", false, "write the generated tables of docs/reference.md")

const (
	quickstart = "../../docs/quickstart.md"
	reference  = "../../docs/reference.md"
)

// TestScriptQuickstart runs what the quickstart tells its reader to type, with
// other ports.
func TestScriptQuickstart(t *testing.T) {
	for _, program := range []string{"sh", "sed", "timeout", "openssl", "curl"} {
		testnet.Require(t, program)
	}
	text, err := os.ReadFile(quickstart)
	if err != nil {
		t.Fatal(err)
	}
	p := scriptParams(t, "testdata/quickstart")
	p.Cmds["quickstart"] = func(ts *testscript.TestScript, neg bool, args []string) {
		var ports []string // each with another for it
		for _, port := range []string{"10025", "10465", "10587", "10993", "10053", "10389", "10443"} {
			_, free, _ := strings.Cut(freePort(ts), ":")
			ports = append(ports, port, free)
		}
		commands := strings.NewReplacer(ports...).Replace(shellBlocks(string(text)))
		// A failure on the way must not leave the server behind.
		commands = "trap 'kill $server $web 2>/dev/null || true' EXIT; server= web=\n" + commands
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(commands), 0o600))
	}
	testscript.Run(t, p)
}

// The list at the head of the quickstart is what its sections have a new
// administrator type, from nothing to a domain that is published, trusted, and
// keeps its community's bundle fresh: ten commands at most.
func TestQuickstartIsTenCommands(t *testing.T) {
	text, err := os.ReadFile(quickstart)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "## 1. Build")
	way, _, ok := strings.Cut(rest, "## 8. ")
	if !ok {
		t.Fatal("the quickstart has other sections")
	}
	var list, typed []string
	for line := range strings.Lines(head) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		if ok {
			list = append(list, command)
		}
	}
	for line := range strings.Lines(shellBlocks(way)) {
		command, _, _ := strings.Cut(strings.TrimSpace(line), " 2>")
		if strings.HasPrefix(command, "postern ") {
			typed = append(typed, command)
		}
	}
	if diff := cmp.Diff(list, typed); diff != "" || len(list) > 10 {
		t.Errorf("%d commands (-list +sections): %s", len(list), diff)
	}
	for _, needed := range []string{"postern init", "postern publish check", "postern bundle add", "postern bundle refresh"} {
		if !slices.ContainsFunc(list, func(c string) bool { return strings.HasPrefix(c, needed) }) {
			t.Errorf("%q is not among them", needed)
		}
	}
}

// TestScriptPages runs what the other pages of docs tell their reader to type.
func TestScriptPages(t *testing.T) {
	for _, program := range []string{"sh", "sed", "tr", "timeout", "openssl", "curl"} {
		testnet.Require(t, program)
	}
	p := scriptParams(t, "testdata/pages")
	p.Cmds["page"] = func(ts *testscript.TestScript, neg bool, args []string) {
		text, err := os.ReadFile("../../docs/" + args[0])
		ts.Check(err)
		commands := shellBlocks(string(text))
		if commands == "" {
			ts.Fatalf("%s has nothing to type", args[0])
		}
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(commands), 0o600))
	}
	testscript.Run(t, p)
}

// shellBlocks joins the blocks of a document that are for the shell.
func shellBlocks(text string) string {
	var commands strings.Builder
	inside := false
	for line := range strings.Lines(text) {
		switch strings.TrimSpace(line) {
		case "```sh":
			inside = true
			continue
		case "```":
			inside = false
		}
		if inside {
			commands.WriteString(line)
		}
	}
	return commands.String()
}

// TestReferenceIsTrue compares the tables of the reference with the code.
// Run it with -update to write them.
func TestReferenceIsTrue(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for name, table := range map[string]string{"commands": commandTable(), "reasons": reasonTable()} {
		want, err = replaceTable(want, name, table)
		if err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		err = os.WriteFile(reference, want, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("docs/reference.md is not what the code says; go test ./cmd/postern -run Reference -update mends it (-code +document):\n%s", diff)
	}
}

// The reference names each step of the queue and each state of a track.
func TestReferenceNamesStepsAndStates(t *testing.T) {
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### queue and track\n")
	section, _, ok := strings.Cut(section, "\n### ")
	if !ok {
		t.Fatal("the reference has other sections")
	}
	steps, states, _ := strings.Cut(section, "| state |")
	for _, step := range append(store.Steps(), store.KeptJob) {
		if !strings.Contains(steps, "`"+string(step)+"`") {
			t.Errorf("no step %s", step)
		}
	}
	for _, state := range store.TrackStates() {
		if !strings.Contains(states, "\n| `"+string(state)+"` |") {
			t.Errorf("no state %s", state)
		}
	}
}

// replaceTable puts a table between the comments that mark its place.
func replaceTable(text []byte, name, table string) ([]byte, error) {
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->\n"
	before, rest, ok := bytes.Cut(text, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(end))
	if !ok || !ended {
		return nil, fmt.Errorf("%s has no place for %s", reference, name)
	}
	return bytes.Join([][]byte{before, []byte(begin), []byte(table), []byte(end), after}, nil), nil
}

func commandTable() string {
	var b strings.Builder
	b.WriteString("| command | arguments | what it does |\n| --- | --- | --- |\n")
	for _, c := range commands() {
		usage := ""
		if c.usage != "" {
			usage = "`" + strings.ReplaceAll(c.usage, "|", `\|`) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.name, usage, c.summary)
	}
	return b.String()
}

func reasonTable() string {
	var b strings.Builder
	b.WriteString("| reason | what others may be told | SMTP | tried again | what to do |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range reason.Codes() {
		o := c.Outcome()
		again := "no"
		if o.Retry {
			again = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d %s | %s | %s |\n", c, o.Public, o.Reply, o.Enhanced, again, o.Hint)
	}
	return b.String()
}
