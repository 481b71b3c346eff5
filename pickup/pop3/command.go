package pop3

import (
	"bytes"
	"strconv"
	"strings"
)

// A state is one of RFC 1939 §3, of which UPDATE is part of QUIT.
type state int

const (
	authorization state = 1 << iota
	transaction
)

// A command is how a keyword is obeyed. The zero one is none.
type command struct {
	in state // in which it is allowed
	// least and most are how many arguments there are; most of -1 takes the rest of
	// the line as one.
	least, most int
	obey        func(s *session, args []string) error
}

// commandOf finds a command by its keyword in upper case.
func commandOf(keyword string) command {
	switch keyword {
	case "CAPA":
		return command{authorization | transaction, 0, 0, (*session).capa}
	case "QUIT":
		return command{authorization | transaction, 0, 0, (*session).quit}
	case "STLS":
		return command{authorization, 0, 0, (*session).stls}
	case "USER":
		return command{authorization, 1, -1, (*session).userName}
	case "PASS":
		return command{authorization, 1, -1, (*session).password}
	case "AUTH":
		return command{authorization, 1, 2, (*session).auth}
	case "STAT":
		return command{transaction, 0, 0, (*session).stat}
	case "LIST":
		return command{transaction, 0, 1, (*session).list}
	case "UIDL":
		return command{transaction, 0, 1, (*session).uidl}
	case "RETR":
		return command{transaction, 1, 1, (*session).retr}
	case "TOP":
		return command{transaction, 2, 2, (*session).top}
	case "DELE":
		return command{transaction, 1, 1, (*session).dele}
	case "RSET":
		return command{transaction, 0, 0, (*session).rset}
	case "NOOP":
		return command{transaction, 0, 0, (*session).noop}
	}
	return command{}
}

// now is the session's state.
func (s *session) now() state {
	if s.drop != nil {
		return transaction
	}
	return authorization
}

// clearCommands bounds what is said before TLS. There is little to say.
const clearCommands = 20

// obey answers one line.
func (s *session) obey(line []byte) error {
	if s.secure == nil {
		s.commands++
		if s.commands > clearCommands {
			s.say("-ERR Too many commands without TLS")
			return errQuit
		}
	}
	word, rest, more := bytes.Cut(line, []byte(" "))
	var c command
	if len(word) <= 4 { // RFC 1939 §3
		c = commandOf(strings.ToUpper(string(word)))
	}
	if c.obey == nil {
		if s.secure == nil { // a client of another protocol is not kept talking
			s.say("-ERR Unknown command")
			return errQuit
		}
		return s.wrong("Unknown command")
	}
	if c.in&s.now() == 0 {
		if s.drop != nil {
			return s.wrong("You are logged in")
		}
		return s.wrong("Log in first")
	}
	args, ok := c.arguments(string(rest), more)
	if !ok {
		return s.wrong("Syntax error")
	}
	return c.obey(s, args)
}

// arguments splits the rest of a line. Spaces at its end are forgiven, which some
// clients send; not in a password, of which they may be part (RFC 1939 §7).
func (c command) arguments(rest string, more bool) ([]string, bool) {
	if c.most < 0 {
		return []string{rest}, more && rest != ""
	}
	var args []string
	rest = strings.TrimRight(rest, " ")
	if rest != "" {
		args = strings.Split(rest, " ")
	}
	for _, a := range args {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, false
		}
	}
	return args, len(args) >= c.least && len(args) <= c.most
}

// number reads a decimal number. ok says that it is one; what is beyond every
// message and line is as good as the largest.
func number(s string) (n int, ok bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	const largest = 1<<31 - 1
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return largest, true
	}
	return int(v), true
}
