package mime

import (
	"fmt"
	"strings"
)

const (
	// foldAt is the length new header lines keep to, line break excluded
	// (RFC 2047 §2 asks for 76, RFC 5322 §2.1.1 for 78).
	foldAt = 76
	// maxLine is the length no line of a message may pass, line break excluded
	// (RFC 5322 §2.1.1).
	maxLine = 998
)

// newField makes a field of printable ASCII, folded at its white space.
func newField(name, value string) (Field, error) {
	if !validName(name) {
		return Field{}, fmt.Errorf("%w: %q is not a field name", ErrHeader, name)
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c != '\t' && (c < ' ' || c > '~') {
			// The value may be a patient's, so it is not repeated here.
			return Field{}, fmt.Errorf("%w: the new %s holds the octet %#02x", ErrHeader, name, c)
		}
	}
	raw := fold(name+":", strings.Trim(value, " \t"))
	for line := range strings.SplitSeq(raw, "\r\n") {
		if len(line) > maxLine {
			return Field{}, fmt.Errorf("%w: the new %s has a word too long for a line", ErrHeader, name)
		}
	}
	return Field{Name: name, Raw: []byte(raw)}, nil
}

// fold writes name and value, breaking lines before white space only, so that
// unfolding gives back the value. No line is white space alone.
func fold(name, value string) string {
	var b strings.Builder
	b.WriteString(name)
	if value == "" {
		return name + "\r\n"
	}
	line := len(name)
	rest := " " + value
	for rest != "" {
		word := nextWord(rest)
		rest = rest[len(word):]
		if line+len(word) > foldAt && line > len(name) {
			b.WriteString("\r\n")
			line = 0
		}
		b.WriteString(word)
		line += len(word)
	}
	b.WriteString("\r\n")
	return b.String()
}

// nextWord returns the leading white space of s and the word after it.
func nextWord(s string) string {
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	for i < len(s) && s[i] != ' ' && s[i] != '\t' {
		i++
	}
	return s[:i]
}

// validName reports whether s is a field-name of RFC 5322 §3.6.8.
func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != ""
}
