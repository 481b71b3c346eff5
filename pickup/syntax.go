package pickup

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// errSyntax says that a command is not as RFC 9051 §9 has it.
var errSyntax = errors.New("syntax error")

// A lexer reads the arguments of one command, whose literals are in it. After an error
// nothing more is found.
type lexer struct {
	b   []byte
	err error
}

func (l *lexer) fail() { l.err, l.b = errSyntax, nil }

// peek returns the next octet, 0 at the end.
func (l *lexer) peek() byte {
	if len(l.b) == 0 {
		return 0
	}
	return l.b[0]
}

// accept takes an octet if it is next.
func (l *lexer) accept(c byte) bool {
	if l.peek() != c || len(l.b) == 0 {
		return false
	}
	l.b = l.b[1:]
	return true
}

func (l *lexer) expect(c byte) {
	if !l.accept(c) {
		l.fail()
	}
}

// end expects that there is nothing more.
func (l *lexer) end() error {
	if l.err == nil && len(l.b) > 0 {
		l.fail()
	}
	return l.err
}

// run takes octets as long as they are of a kind, one at least.
func (l *lexer) run(of func(byte) bool) string {
	n := 0
	for n < len(l.b) && of(l.b[n]) {
		n++
	}
	if n == 0 {
		l.fail()
		return ""
	}
	s := string(l.b[:n])
	l.b = l.b[n:]
	return s
}

// isAtom reports whether an octet is an ATOM-CHAR.
func isAtom(c byte) bool { return c > ' ' && c < 0x7f && strings.IndexByte(`(){%*"\]`, c) < 0 }

// isAString reports whether an octet is an ASTRING-CHAR, or of UTF-8, which some clients
// do not put into quotes.
func isAString(c byte) bool { return isAtom(c) || c == ']' || c >= 0x80 }

// word is an atom in upper case.
func (l *lexer) word() string { return strings.ToUpper(l.run(isAtom)) }

// number reads up to 63 bits.
func (l *lexer) number() uint64 {
	n, err := strconv.ParseUint(l.run(func(c byte) bool { return '0' <= c && c <= '9' }), 10, 63)
	if err != nil {
		l.fail()
	}
	return n
}

// text reads an astring: an atom, a quoted string or a literal.
func (l *lexer) text() string {
	switch l.peek() {
	case '"':
		return l.quoted()
	case '{':
		return l.literal()
	}
	return l.run(isAString)
}

func (l *lexer) quoted() string {
	var out []byte
	for i := 1; i < len(l.b); i++ {
		switch c := l.b[i]; c {
		case '"':
			l.b = l.b[i+1:]
			return string(out)
		case '\\':
			i++
			if i == len(l.b) || l.b[i] != '"' && l.b[i] != '\\' {
				l.fail()
				return ""
			}
			out = append(out, l.b[i])
		case '\r', '\n', 0:
			l.fail()
			return ""
		default:
			out = append(out, c)
		}
	}
	l.fail()
	return ""
}

func (l *lexer) literal() string {
	line, rest, found := bytes.Cut(l.b, []byte("\n"))
	size, _, ok := literalSize(append(line[:len(line):len(line)], '\n'))
	if !found || !ok || size > int64(len(rest)) || bytes.IndexByte(rest[:size], 0) >= 0 {
		l.fail()
		return ""
	}
	l.b = rest[size:]
	return string(rest[:size])
}

// group takes a list in brackets as it stands, without looking into it.
func (l *lexer) group() []byte {
	if l.peek() != '(' {
		l.fail()
		return nil
	}
	start, depth := l.b, 0
	for len(l.b) > 0 {
		switch l.b[0] {
		case '"':
			l.quoted()
			continue
		case '{':
			l.literal()
			continue
		case '(':
			depth++
		case ')':
			depth--
		}
		l.b = l.b[1:]
		if depth == 0 {
			return start[:len(start)-len(l.b)]
		}
	}
	l.fail()
	return nil
}

// quote writes a text as a quoted string, which can hold anything but line breaks and
// NUL.
func quote(s string) (string, bool) {
	if strings.ContainsAny(s, "\r\n\x00") {
		return "", false
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`, true
}

// oneLine writes a command's arguments without literals.
func oneLine(args []byte) (string, bool) {
	var out strings.Builder
	l := lexer{b: args}
	for len(l.b) > 0 {
		switch l.b[0] {
		case '{':
			q, ok := quote(l.literal())
			if !ok || l.err != nil {
				return "", false
			}
			out.WriteString(q)
		case '"':
			start := l.b
			l.quoted()
			out.Write(start[:len(start)-len(l.b)])
		case '\r', '\n':
			return "", false
		default:
			out.WriteByte(l.b[0])
			l.b = l.b[1:]
		}
	}
	return out.String(), l.err == nil
}
