package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"postern": scriptedPostern})
}

// raceOptions keep the race detector from sleeping for a second at the end of
// every process.
const raceOptions = "atexit_sleep_ms=0"

// exitLeak is the exit code of a scripted postern that left goroutines behind.
const exitLeak = 70

// scriptedPostern is the real command, which must also end what it began.
func scriptedPostern() {
	code := runProcess()
	err := goleak.Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = exitLeak
	}
	os.Exit(code)
}

// TestScript runs the scripts over the real command: its own process, its own
// standard streams, its own exit code.
func TestScript(t *testing.T) {
	testscript.Run(t, scriptParams(t, "testdata/script"))
}

// scriptParams are the commands that scripts have beside those of testscript.
func scriptParams(t *testing.T, dir string) testscript.Params {
	return testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Values[serversKey{}] = servers{}
			e.Values[webKey{}] = &web{stop: func() {}}
			e.Setenv("GORACE", raceOptions)
			e.Values[testKey{}] = t
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Condition:           diskCondition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":     scriptAwait,
			"code":      scriptCode,
			"refuses":   scriptRefuses,
			"state":     scriptState,
			"site":      scriptSite,
			"loopback":  scriptLoopback,
			"configure": scriptConfigure,
			"serve":     scriptServe,
			"signal":    scriptSignal,
			"submit":    scriptSubmit,
			"fetch":     scriptFetch,
			"dns":       scriptDNS,
			"idle":      scriptIdle,
			"web":       scriptWeb,
			"receiver":  scriptReceiver,
			"publishes": scriptPublishes,
			"ownport":   scriptOwnPort,
			"pki":       scriptPKI,
			"community": scriptCommunity,
			"seals":     scriptSeals,
			"shown":     scriptShown,
			"expand":    scriptExpand,
			"lock":      scriptLock,
			"take":      scriptTake,
			"tamper":    scriptTamper,
			"forge":     scriptForge,
			"newer":     scriptNewer,
			"json":      scriptJSON,
			"value":     scriptValue,
			"mode":      scriptMode,
			"race":      scriptRace,
			"readonly":  scriptReadOnly,
			"small":     scriptSmall,
			"fill":      scriptFill,
		},
	}
}

// testKey is where a script finds its test.
type testKey struct{}

// exitCode runs a command and returns its exit code.
func exitCode(ts *testscript.TestScript, args []string) int {
	err := ts.Exec(args[0], args[1:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("running %s: %v", args[0], err)
	}
	if exit == nil {
		return exitOK
	}
	return exit.ExitCode()
}

// code N PROGRAM ARGS… runs a program that must end with that very code.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	want := number(ts, args, 2)
	got := exitCode(ts, args[1:])
	if neg || got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// await REGEXP PROGRAM ARGS… runs a program, which must succeed, until its output
// fits, as the steps of a server that are not yet done end.
func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await regexp program args...")
	}
	fits, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for end := time.Now().Add(patience); ; {
		ts.Check(ts.Exec(args[1], args[2:]...))
		switch {
		case fits.MatchString(ts.ReadFile("stdout")):
			return
		case time.Now().After(end):
			ts.Fatalf("no output has fitted %s", args[0])
		}
	}
}

// complaint is all that a command that refuses may say.
var complaint = regexp.MustCompile(`^postern: [^\n]+\n(postern: hint: [^\n]+\n)?$`)

// refuses N ARGS… runs postern, which must end with that code, print nothing on
// standard output and one line with perhaps a hint on standard error.
func scriptRefuses(ts *testscript.TestScript, neg bool, args []string) {
	want := number(ts, args, 2)
	got := exitCode(ts, append([]string{"postern"}, args[1:]...))
	if neg || got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("it printed %q", out)
	}
	said := ts.ReadFile("stderr")
	if !complaint.MatchString(said) {
		ts.Fatalf("its complaint is not one line and a hint: %q", said)
	}
	line, _, _ := strings.Cut(said, "\n")
	if strings.HasSuffix(line, ".") || strings.Contains(line, "%!") {
		ts.Fatalf("its complaint is badly written: %q", line)
	}
}

func number(ts *testscript.TestScript, args []string, least int) int {
	if len(args) < least {
		ts.Fatalf("too few arguments: %q", args)
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	return n
}

// state FILE [ARGS…] writes down all that the store holds, for cmp. ARGS are
// global flags.
func scriptState(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: state file [flags]")
	}
	var all strings.Builder
	for _, command := range []string{"domain list", "account list", "cert list", "cert csr --list", "anchor list", "bundle list", "queue list --all", "store check"} {
		err := ts.Exec("postern", append(append([]string{"--json"}, args[1:]...), strings.Fields(command)...)...)
		if err != nil {
			ts.Fatalf("%s: %v", command, err)
		}
		all.WriteString(command + "\n" + auditCount.ReplaceAllString(ts.ReadFile("stdout"), ""))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o600))
}

// auditCount is left out of a state: a key that was used, or an import of what was
// there, leaves a record and nothing else.
var auditCount = regexp.MustCompile(`(?m)^ *"audit": [0-9]+,\n`)

// expand FILE… replaces $NAME in files by the script's environment.
func scriptExpand(ts *testscript.TestScript, neg bool, args []string) {
	for _, file := range args {
		text := os.Expand(ts.ReadFile(file), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
	}
}

// mode FILE OCTAL checks a file's permissions.
func scriptMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); neg || got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}
