package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// under returns the commands whose name begins with words; none are all.
func under(words []string) []command {
	var found []command
	prefix := strings.Join(words, " ")
	for _, c := range commands() {
		if prefix == "" || c.name == prefix || strings.HasPrefix(c.name, prefix+" ") {
			found = append(found, c)
		}
	}
	return found
}

// printUsage prints the usage of the commands that begin with words, or of all.
func printUsage(w io.Writer, words []string) error {
	found := under(words)
	if len(found) == 0 {
		return unknownCommand(words)
	}
	if len(words) == 0 {
		fmt.Fprint(w, "postern is a gateway for Direct secure messaging.\n\nusage: postern [--config FILE] [--json] COMMAND\n\n")
	}
	for _, c := range found {
		fmt.Fprintf(w, "  %-16s %s\n", c.name, c.summary)
		if c.usage != "" {
			fmt.Fprintf(w, "  %-16s   %s\n", "", c.usage)
		}
	}
	if len(words) == 0 {
		fmt.Fprint(w, "\nThe configuration is --config, or POSTERN_CONFIG, or ./postern.toml.\n"+
			"Exit codes: 0 done or yes, 1 no, 2 wrong usage or input, 3 temporary failure.\n")
	}
	return nil
}

// unknownCommand tells what may follow a first word that is right.
func unknownCommand(args []string) error {
	var names []string
	for _, c := range under(args[:1]) {
		names = append(names, c.name)
	}
	if len(names) == 0 {
		return usagef("postern help lists the commands", "there is no command %q", args[0])
	}
	hint := "there is " + strings.Join(names, ", ")
	if len(args) == 1 {
		return usagef(hint, "%s what?", args[0])
	}
	return usagef(hint, "there is no command %q", strings.Join(args[:2], " "))
}

// flags makes the flag set of a command, which has the global flags too.
func (inv *invocation) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&inv.config, "config", inv.config, "")
	fs.BoolVar(&inv.json, "json", inv.json, "")
	return fs
}

// parse reads flags that may stand anywhere, and checks how many other
// arguments there are.
func parse(fs *flag.FlagSet, args []string, least, most int) ([]string, error) {
	var rest []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if err != nil {
			return nil, wrongUse(fs, "%s", flagText(err))
		}
		if fs.NArg() == 0 {
			break
		}
		rest = append(rest, fs.Arg(0))
		args = fs.Args()[1:]
	}
	if len(rest) < least {
		return nil, wrongUse(fs, "an argument is missing")
	}
	if len(rest) > most {
		return nil, wrongUse(fs, "%q is one argument too many", rest[most])
	}
	return rest, nil
}

// wrongUse says what is wrong with a command's arguments, and how it is used.
func wrongUse(fs *flag.FlagSet, format string, args ...any) error {
	usage := ""
	for _, c := range commands() {
		if c.name == fs.Name() {
			usage = " " + c.usage
		}
	}
	return usagef(strings.TrimSpace("usage: postern "+fs.Name()+usage), "%s: "+format, append([]any{fs.Name()}, args...)...)
}

// flagText says in our words what package flag found wrong.
func flagText(err error) string {
	text := err.Error()
	for _, known := range []struct{ prefix, ours string }{
		{"flag provided but not defined: -", "there is no flag --%s"},
		{"flag needs an argument: -", "--%s needs a value"},
	} {
		name, ok := strings.CutPrefix(text, known.prefix)
		if ok {
			return fmt.Sprintf(known.ours, strings.TrimLeft(name, "-"))
		}
	}
	return text
}

// repeated is a flag that may be given several times.
type repeated []string

func (r *repeated) String() string { return strings.Join(*r, ", ") }

func (r *repeated) Set(v string) error {
	*r = append(*r, v)
	return nil
}
