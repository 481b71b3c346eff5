package reason

import (
	"strings"
	"time"
)

// Line makes one harmless line of a text that a stranger may have had a hand in,
// fit for logs, details and terminals: of printable ASCII, with a question mark
// for everything else, and "..." for what is beyond so many octets.
func Line(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Date writes a moment as details have it: in UTC, to the second (RFC 3339).
func Date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
