package pickup

import (
	"fmt"
	"sort"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// Limits on flags. A message of a well-behaved client has a handful.
const (
	MaxFlags      = 64  // of one message
	MaxFlagLength = 128 // octets of a keyword
)

// A FlagOp says what a FlagChange does with its flags.
type FlagOp int

// Flag operations: replace all flags, add some, remove some.
const (
	ReplaceFlags FlagOp = iota
	AddFlags
	RemoveFlags
)

// A FlagChange is a change of a message's flags.
type FlagChange struct {
	Op    FlagOp
	Flags []string // canonical: see RFC 9051 §2.3.2
	// UnchangedSince leaves messages as they are that changed after this modification
	// sequence (RFC 7162 §3.1.3); nil changes all.
	UnchangedSince *uint64
}

// Apply returns the flags of a message after the change, sorted and without
// duplicates. Keywords are compared without regard to case and keep the case
// they first came in (RFC 9051 §2.3.2). ErrLimit: more than MaxFlags.
func (c FlagChange) Apply(current []string) ([]string, error) {
	flags := make(map[string]string, len(current)+len(c.Flags))
	if c.Op != ReplaceFlags {
		for _, f := range current {
			flags[strings.ToLower(f)] = f
		}
	}
	for _, f := range c.Flags {
		key := strings.ToLower(f)
		if c.Op == RemoveFlags {
			delete(flags, key)
			continue
		}
		if _, ok := flags[key]; !ok {
			flags[key] = f
		}
	}
	if len(flags) > MaxFlags {
		return nil, fmt.Errorf("%w: a message has at most %d flags", ErrLimit, MaxFlags)
	}
	out := make([]string, 0, len(flags))
	for _, f := range flags {
		out = append(out, f)
	}
	sort.Strings(out)
	return out, nil
}

// hasFlag reports whether a flag is among flags, without regard to case.
func hasFlag(flags []string, want string) bool {
	for _, f := range flags {
		if strings.EqualFold(f, want) {
			return true
		}
	}
	return false
}

func sameFlags(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// systemFlags are those a client can set; \Recent is gone (RFC 9051 §2.3.2).
var systemFlags = [...]imap.Flag{
	imap.FlagAnswered, imap.FlagDeleted, imap.FlagDraft, imap.FlagFlagged, imap.FlagSeen,
}

// parseFlags checks the flags of a command and brings system flags into their
// usual case.
func parseFlags(in []imap.Flag) ([]string, error) {
	if len(in) > MaxFlags {
		return nil, fmt.Errorf("%w: at most %d flags", ErrLimit, MaxFlags)
	}
	out := make([]string, 0, len(in))
	for _, f := range in {
		name, err := parseFlag(string(f))
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

func parseFlag(name string) (string, error) {
	if !strings.HasPrefix(name, `\`) {
		if len(name) > MaxFlagLength {
			return "", fmt.Errorf("%w: a keyword is longer than %d octets", ErrLimit, MaxFlagLength)
		}
		for i := 0; i < len(name); i++ {
			if name[i] <= ' ' || name[i] > '~' {
				return "", bad("A keyword has an octet that is not printable ASCII")
			}
		}
		return name, nil
	}
	for _, f := range systemFlags {
		if strings.EqualFold(name, string(f)) {
			return string(f), nil
		}
	}
	return "", bad("Not a flag that can be set")
}

func wireFlags(flags []string) []imap.Flag {
	out := make([]imap.Flag, len(flags))
	for i, f := range flags {
		out[i] = imap.Flag(f)
	}
	return out
}
