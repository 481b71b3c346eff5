package pop3

import (
	"bytes"
	"slices"
	"strings"
)

// Bounds of what is noted at once, so that a session that breaks off leaves few
// messages noted that were not sent.
const (
	aheadMessages = 64
	aheadBytes    = 1 << 20
)

// ahead are e and those messages that the client has asked for behind it, without
// waiting for an answer (RFC 2449 §6.6): they are noted together, and each is sent in
// its turn.
func (s *session) ahead(e *entry) []*entry {
	all := []*entry{e}
	octets := e.size
	rest, _ := s.in.Peek(s.in.Buffered()) // all of it is there
	for len(all) < aheadMessages {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		n, retr := retrieves(line)
		if !whole || !retr {
			break
		}
		rest = after
		next, ok := s.drop.find(n)
		if !ok {
			continue // it is refused when its turn comes
		}
		octets += next.size
		if octets > aheadBytes {
			break
		}
		if !next.noted && !slices.Contains(all, next) {
			all = append(all, next)
		}
	}
	return all
}

// retrieves reports whether a line is RETR, and which message it is about.
func retrieves(line []byte) (n int, ok bool) {
	word, arg, _ := strings.Cut(strings.TrimRight(string(line), " \r"), " ")
	if !strings.EqualFold(word, "RETR") {
		return 0, false
	}
	return number(arg)
}
