package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

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
	guardFlags(fs)
	var rest []string
	for {
		err := fs.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		if err != nil {
			return nil, wrongUse(fs, "%s", flagText(fs, err))
		}
		if fs.NArg() == 0 {
			break
		}
		if fs.Arg(0) == "" {
			return nil, wrongUse(fs, "an argument is empty")
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

// A guardedFlag is a flag that has a value if it is given, and one value unless it
// is a repeated one: what a script left out by mistake must not mean more trust.
type guardedFlag struct {
	flag.Value
	given   bool
	problem string // with what was given
}

// A nullable is a flag of which an empty value means something.
type nullable interface{ isNullable() }

// guardFlags guards all flags that a command has.
func guardFlags(fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) { f.Value = &guardedFlag{Value: f.Value} })
}

// Set implements flag.Value.
func (g *guardedFlag) Set(text string) error {
	_, many := g.Value.(*repeated)
	_, nullable := g.Value.(nullable)
	switch {
	case text == "" && !nullable:
		g.problem = "is empty: give it a value or leave it out; is a variable of the script not set?"
	case g.given && !many:
		g.problem = "is given twice, and takes one value"
	}
	if g.problem != "" {
		return errors.New(g.problem)
	}
	g.given = true
	return g.Value.Set(text)
}

// IsBoolFlag is for package flag: whether it needs no value.
func (g *guardedFlag) IsBoolFlag() bool {
	b, ok := g.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// flagText says in our words what is wrong with flags.
func flagText(fs *flag.FlagSet, err error) string {
	text := err.Error()
	fs.VisitAll(func(f *flag.Flag) {
		g, ok := f.Value.(*guardedFlag)
		if ok && g.problem != "" {
			text = "--" + f.Name + " " + g.problem
		}
	})
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
