package pickup

import (
	"bytes"
	"fmt"
	"strings"
)

// What a command asks for beyond what the library knows. It is of the command that is
// being answered alone.
type asked struct {
	modSeq       bool // FETCH MODSEQ
	changedSince uint64
	since        bool       // CHANGEDSINCE was given
	highest      bool       // HIGHESTMODSEQ of STATUS
	unchanged    *uint64    // UNCHANGEDSINCE
	search       *searchKey // what SEARCH looks for
	savedAlone   bool       // RETURN (SAVE)
}

// badSyntax answers what cannot be read.
func badSyntax(c command) string { return c.tag + " BAD [CLIENTBUG] Syntax error\r\n" }

// take implements taker.
func (s *session) take(c command) (answer, instead string) {
	s.asked = asked{}
	if c.name != "FETCH" && c.name != "UID FETCH" {
		s.settle()
	}
	switch c.name {
	case "CAPABILITY":
		s.front.amend(amendment{begins: "* CAPABILITY ", change: capabilityLine})
	case "LOGIN", "AUTHENTICATE":
		s.front.amend(amendment{begins: c.tag + " OK [CAPABILITY ", change: capabilityLine})
	case "ID":
		return identify(c), ""
	case "GETQUOTA", "SETQUOTA":
		return s.quotaCommand(c), ""
	case "GETQUOTAROOT":
		return s.quotaRoot(c)
	case "ENABLE":
		s.enableCommand(c)
	case "SELECT", "EXAMINE":
		return s.selectCommand(c)
	case "STATUS", "LIST":
		return s.statusCommand(c)
	case "FETCH", "UID FETCH":
		return s.fetchCommand(c)
	case "STORE", "UID STORE":
		return s.storeCommand(c)
	case "SEARCH", "UID SEARCH":
		return s.searchCommand(c)
	}
	return "", ""
}

// further are the extensions that the library does not know, of those who have logged
// in and of anybody; early are those of the logged in that are told before the login too, for
// there are clients that ask once, before it (imaplib of Python does).
const (
	further       = " QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE CONDSTORE"
	furtherAlways = " ID"
	early         = " ENABLE IDLE"
)

// capabilityLine completes a list of capabilities. A server offers LITERAL+ or LITERAL-,
// and never both (RFC 7888 §5): large literals are for those who have logged in.
func capabilityLine(line []byte) []byte {
	end := bytes.IndexAny(line, "]\r\n")
	if end < 0 {
		return line
	}
	list := string(line[:end]) + furtherAlways
	if strings.Contains(list, " IDLE") {
		list = strings.Replace(list, " LITERAL-", "", 1) + further
	} else {
		list += early
	}
	return append([]byte(list), line[end:]...)
}

// maxIDPairs is how many fields a client may tell of itself (RFC 2971 §3.3).
const maxIDPairs = 30

// identify answers ID (RFC 2971). What the client says of itself is not kept: it is
// nothing to rely on.
func identify(c command) string {
	l := lexer{b: c.args}
	if l.accept('(') {
		for n := 0; !l.accept(')') && l.err == nil; n++ {
			if n > 0 {
				l.expect(' ')
			}
			l.string()
			l.expect(' ')
			l.nstring()
			if n == maxIDPairs {
				l.fail()
			}
		}
	} else if l.word() != "NIL" {
		l.fail()
	}
	if l.end() != nil {
		return badSyntax(c)
	}
	return fmt.Sprintf("* ID (\"name\" \"Postern\")\r\n%s OK ID completed\r\n", c.tag)
}

// string reads a quoted string or a literal.
func (l *lexer) string() string {
	if c := l.peek(); c != '"' && c != '{' {
		l.fail()
	}
	return l.text()
}

func (l *lexer) nstring() {
	if c := l.peek(); c == '"' || c == '{' {
		l.text()
	} else if l.word() != "NIL" {
		l.fail()
	}
}
