package mime

import (
	"bytes"
	"strings"
)

// maxBoundary is more than the 70 characters of RFC 2046 §5.1.1, as agents
// have sent longer ones.
const maxBoundary = 200

// delimiterRoom is how long a delimiter line may be with its padding and line
// break. A longer line is content.
const delimiterRoom = maxBoundary + 256

// validBoundary reports whether s can delimit parts. More characters than
// bcharsnospace are let pass; a line break or a final blank cannot work.
func validBoundary(s string) bool {
	return s != "" && len(s) <= maxBoundary &&
		!strings.ContainsAny(s, "\r\n\x00") && !strings.HasSuffix(s, " ")
}

// A delimiterKind says what a line is to one boundary.
type delimiterKind int

const (
	delimiterNone  delimiterKind = iota
	delimiterPart                // --boundary: a part follows
	delimiterClose               // --boundary--: the epilogue follows
)

// delimiter judges one whole line, which may end in CRLF, LF or nothing. White
// space after the boundary is transport padding (RFC 2046 §5.1.1).
func delimiter(line []byte, boundary string) delimiterKind {
	rest, dashes := bytes.CutPrefix(line, []byte("--"))
	if !dashes || len(line) > delimiterRoom || len(rest) < len(boundary) || string(rest[:len(boundary)]) != boundary {
		return delimiterNone
	}
	rest = bytes.TrimRight(rest[len(boundary):], " \t\r\n")
	switch string(rest) {
	case "":
		return delimiterPart
	case "--":
		return delimiterClose
	}
	return delimiterNone
}
