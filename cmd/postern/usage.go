package main

import (
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
