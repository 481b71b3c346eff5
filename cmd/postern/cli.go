package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"syscall"

	"postern/internal/control"
	"postern/store"
)

// Rules of the command line:
//
//   - What was asked for goes to standard output; everything else goes to
//     standard error, as "postern: " and a line in lower case without a full
//     stop, and where it helps a second line with a hint.
//   - The exit code says how it ended; scripts need not read the text.
//   - Flags may stand before and after the other arguments.
//   - Passwords are never flag values: they come from a prompt, a file or
//     standard input.
const (
	exitOK        = 0
	exitNo        = 1 // a negative answer: not trusted, not found, check failed
	exitUsage     = 2 // the command or what it was given makes no sense
	exitTemporary = 3 // it may work later
)

// An environment is what a command may touch of the world.
type environment struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
}

// An invocation is one command with its global flags.
type invocation struct {
	environment
	config string // the configuration's path
	json   bool
}

// A command is one line of the usage.
type command struct {
	name    string // of one or two words
	usage   string // its arguments
	summary string
	run     func(context.Context, *invocation, []string) error
}

// A usageError says that a command was called wrongly.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), hint}
}

// errNegative ends a command whose answer, already printed, is no.
var errNegative = errors.New("no")

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, env environment) int {
	inv := &invocation{environment: env}
	global := flag.NewFlagSet("postern", flag.ContinueOnError)
	global.SetOutput(io.Discard)
	global.StringVar(&inv.config, "config", defaultConfig(env), "")
	global.BoolVar(&inv.json, "json", false, "")
	err := global.Parse(args)
	if errors.Is(err, flag.ErrHelp) || err == nil && (global.NArg() == 0 || global.Arg(0) == "help") {
		printUsage(env.stdout)
		return exitOK
	}
	if err != nil {
		return inv.fail(&usageError{err.Error(), "postern help lists the commands"})
	}
	c, rest := find(global.Args())
	if c == nil {
		return inv.fail(usagef("postern help lists the commands", "there is no command %q", strings.Join(global.Args()[:min(2, global.NArg())], " ")))
	}
	return inv.fail(c.run(ctx, inv, rest))
}

func defaultConfig(env environment) string {
	path := env.getenv("POSTERN_CONFIG")
	if path == "" {
		path = "postern.toml"
	}
	return path
}

func find(args []string) (*command, []string) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return &c, args[len(words):]
		}
	}
	return nil, nil
}

func printUsage(w io.Writer) {
	fmt.Fprint(w, "postern is a gateway for Direct secure messaging.\n\nusage: postern [--config FILE] [--json] COMMAND\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-16s %s\n", c.name, c.summary)
		if c.usage != "" {
			fmt.Fprintf(w, "  %-16s   %s\n", "", c.usage)
		}
	}
	fmt.Fprint(w, "\nThe configuration is --config, or POSTERN_CONFIG, or ./postern.toml.\n"+
		"Exit codes: 0 done or yes, 1 no, 2 wrong usage or input, 3 temporary failure.\n")
}

// fail tells an error to the operator and returns the exit code for it.
func (inv *invocation) fail(err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errNegative) {
		return exitNo
	}
	hint, code := explain(err)
	fmt.Fprintf(inv.stderr, "postern: %s\n", oneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(inv.stderr, "postern: hint: %s\n", hint)
	}
	return code
}

// explain finds the hint and the exit code that belong to an error.
func explain(err error) (hint string, code int) {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage.hint, exitUsage
	}
	var refused *control.Error
	if errors.As(err, &refused) {
		switch refused.Kind {
		case control.Invalid:
			return refused.Hint, exitUsage
		case control.Negative:
			return refused.Hint, exitNo
		}
		return refused.Hint, exitTemporary
	}
	for _, known := range []struct {
		err  error
		hint string
		code int
	}{
		{store.ErrLocked, "another postern uses it; is it starting or stopping just now?", exitTemporary},
		{store.ErrSchema, "use the postern that wrote it, or a newer one", exitUsage},
		{store.ErrMasterKey, "the master key file must be the one the store was made with", exitUsage},
		{store.ErrCorrupt, "restore the latest backup; docs/store.md says how", exitNo},
		{store.ErrFull, "free or add disk space", exitTemporary},
		{syscall.EADDRINUSE, "another program uses the port, or a postern runs already", exitTemporary},
		{syscall.EACCES, "run as a user that may do this; ports below 1024 need a privilege", exitUsage},
	} {
		if errors.Is(err, known.err) {
			return known.hint, known.code
		}
	}
	return "", exitTemporary
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// parse reads flags that may stand anywhere, and checks how many other
// arguments there are.
func parse(fs *flag.FlagSet, args []string, least, most int) ([]string, error) {
	fs.SetOutput(io.Discard)
	var rest []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, usagef("postern help shows its arguments", "%s takes arguments", fs.Name())
		}
		if err != nil {
			return nil, usagef("postern help shows its arguments", "%s: %v", fs.Name(), err)
		}
		if fs.NArg() == 0 {
			break
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(rest) < least {
		return nil, usagef("postern help shows its arguments", "%s: an argument is missing", fs.Name())
	}
	if len(rest) > most {
		return nil, usagef("postern help shows its arguments", "%s: %q is one argument too many", fs.Name(), rest[most])
	}
	return rest, nil
}

// flags makes the flag set of a command.
func flags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ContinueOnError) }

// printJSON prints a value for machines.
func (inv *invocation) printJSON(v any) error {
	encoder := json.NewEncoder(inv.stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ", ") }

func (r *repeated) Set(v string) error {
	*r = append(*r, v)
	return nil
}
