package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// Rules of the command line:
//
//   - What was asked for goes to standard output; everything else goes to
//     standard error, as "postern: " and a line in lower case without a full
//     stop, and where it helps a second line with a hint.
//   - The exit code says how it ended; scripts need not read the text.
//   - Flags may stand before and after the other arguments, --config and --json
//     before and after the command.
//   - With --json, a command that has something to tell prints it as one JSON
//     value. Errors stay text: the exit code is for machines.
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

// run runs one command line and returns its exit code.
func run(ctx context.Context, args []string, env environment) int {
	out := &printer{out: env.stdout}
	env.stdout = out
	inv := &invocation{environment: env, config: defaultConfig(env)}
	global := inv.flags("postern")
	guardFlags(global)
	err := global.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		err = printUsage(env.stdout, nil)
	case err != nil:
		err = usagef("postern help lists the commands", "%s", flagText(global, err))
	case global.NArg() == 0: // a script that lost its words must not go on
		err = errors.Join(errNothing, printUsage(env.stderr, nil))
	case global.Arg(0) == "help":
		err = printUsage(env.stdout, global.Args()[1:])
	default:
		err = inv.runCommand(ctx, global.Args())
	}
	return inv.fail(out.outcome(err))
}

func (inv *invocation) runCommand(ctx context.Context, args []string) error {
	c, rest := find(args)
	if c == nil {
		return inv.noCommand(args)
	}
	err := c.run(ctx, inv, rest)
	if errors.Is(err, flag.ErrHelp) {
		return printUsage(inv.stdout, strings.Fields(c.name))
	}
	return err
}

// noCommand helps with the first word of a command where nothing but flags follows,
// and otherwise tells what may.
func (inv *invocation) noCommand(args []string) error {
	err := inv.flags(args[0]).Parse(args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return printUsage(inv.stdout, args[:1])
	}
	return unknownCommand(args)
}

// standardConfig is the configuration when nothing names one.
const standardConfig = "postern.toml"

func defaultConfig(env environment) string { return or(env.getenv("POSTERN_CONFIG"), standardConfig) }

// find returns the command that args begin with, and its arguments.
func find(args []string) (*command, []string) {
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return &c, args[len(words):]
		}
	}
	return nil, nil
}

// answer prints what a command has to tell: v for machines, or a line for people.
func (inv *invocation) answer(v any, format string, args ...any) error {
	if inv.json {
		return inv.printJSON(v)
	}
	_, err := fmt.Fprintf(inv.stdout, format+"\n", args...)
	return err
}

// printJSON prints a value for machines.
func (inv *invocation) printJSON(v any) error {
	encoder := json.NewEncoder(inv.stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
