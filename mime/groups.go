package mime

import (
	"bytes"
	"fmt"
	"strings"
)

// readGroups reads groups of fields between blank lines, as the machine-readable
// part of a report has them (RFC 3464 §2.1). Lines that are no field are passed
// over; blank lines may be more than one, and white.
func readGroups(p []byte, l Limits) ([]*Header, error) {
	var groups []*Header
	var group *Header
	fields := 0
	for line := range bytes.Lines(p) {
		text := bytes.TrimRight(line, " \t\r\n")
		if len(text) == 0 {
			group = nil
			continue
		}
		if group != nil && (text[0] == ' ' || text[0] == '\t') && !beginsField(text) {
			last := &group.fields[len(group.fields)-1]
			last.Raw = append(last.Raw, line...)
			continue
		}
		text = bytes.TrimLeft(text, " \t")
		name, value, found := bytes.Cut(text, []byte{':'})
		name = bytes.TrimRight(name, " \t")
		if !found || !validName(string(name)) {
			continue
		}
		if fields++; fields > l.Fields {
			return nil, fmt.Errorf("%w: a report of more than %d fields", ErrLimit, l.Fields)
		}
		if group == nil {
			group = &Header{}
			groups = append(groups, group)
		}
		raw := append(append(bytes.Clone(name), ':'), value...)
		group.fields = append(group.fields, Field{Name: string(name), Raw: append(raw, '\r', '\n')})
	}
	return groups, nil
}

// beginsField reports whether a line that begins with white space is a field all
// the same, and no continuation of the one before: agents indent them.
func beginsField(line []byte) bool {
	name, _, found := bytes.Cut(line, []byte{':'})
	if !found {
		return false
	}
	switch strings.ToLower(string(bytes.TrimSpace(name))) {
	case "final-recipient", "original-recipient", "original-message-id", "x-original-message-id",
		"disposition", "action", "status", "reporting-ua", "reporting-mta":
		return true
	}
	return false
}

// ParseTypedAddress reads the address of a Final-Recipient or Original-Recipient
// field, "rfc822;user@host" (RFC 3464 §2.3.1). The type may be absent, twice or in
// any case; a display name, angle brackets, a comment and stray marks at the end do
// not matter (CP-16, DN-12).
func ParseTypedAddress(s string) (Address, error) {
	s = strings.TrimSpace(s)
	for range 2 {
		kind, rest, typed := strings.Cut(s, ";")
		if !typed || !validToken(strings.TrimSpace(kind)) {
			break
		}
		s = strings.TrimSpace(rest)
	}
	open, end := strings.LastIndexByte(s, '<'), strings.LastIndexByte(s, '>')
	if open >= 0 && open < end {
		s = s[open+1 : end]
	} else if i := strings.LastIndex(s, " ("); i >= 0 && strings.HasSuffix(s, ")") {
		s = s[:i]
	}
	s = strings.TrimRight(strings.TrimSpace(s), ".,; \t")
	if len(s) > len("mailto:") && strings.EqualFold(s[:len("mailto:")], "mailto:") {
		s = s[len("mailto:"):]
	}
	return ParseAddress(s)
}
