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
		if group != nil && (text[0] == ' ' || text[0] == '\t') {
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

// ParseTypedAddress reads the address of a Final-Recipient or Original-Recipient
// field, "rfc822;user@host" (RFC 3464 §2.3.1). The type may be absent or in any
// case, and angle brackets may stand around the address (CP-16).
func ParseTypedAddress(s string) (Address, error) {
	s = strings.TrimSpace(s)
	kind, rest, typed := strings.Cut(s, ";")
	if typed && validToken(strings.TrimSpace(kind)) {
		s = strings.TrimSpace(rest)
	}
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		s = strings.TrimSpace(s[1 : len(s)-1])
	}
	return ParseAddress(s)
}
