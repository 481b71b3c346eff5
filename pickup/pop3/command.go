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

// A command is how a keyword is obeyed.
type command struct {
	in state // in which it is allowed
	// least and most are how many arguments there are; most of -1 takes the rest of
	// the line as one.
	least, most int
	obey        func(s *session, args []string) error
}

// commandOf finds a command by its keyword in upper case.
func commandOf(keyword string) (command, bool) {
	c, ok := map[string]command{
		"CAPA": {authorization | transaction, 0, 0, (*session).capa},
		"QUIT": {authorization | transaction, 0, 0, (*session).quit},
		"STLS": {authorization, 0, 0, (*session).stls},
		"USER": {authorization, 1, -1, (*session).userName},
		"PASS": {authorization, 1, -1, (*session).password},
		"AUTH": {authorization, 1, 2, (*session).auth},
		"STAT": {transaction, 0, 0, (*session).stat},
		"LIST": {transaction, 0, 1, (*session).list},
		"UIDL": {transaction, 0, 1, (*session).uidl},
		"RETR": {transaction, 1, 1, (*session).retr},
		"TOP":  {transaction, 2, 2, (*session).top},
		"DELE": {transaction, 1, 1, (*session).dele},
		"RSET": {transaction, 0, 0, (*session).rset},
		"NOOP": {transaction, 0, 0, (*session).noop},
	}[keyword]
	return c, ok
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
	c, known := command{}, false
	if len(word) <= 4 { // RFC 1939 §3
		c, known = commandOf(strings.ToUpper(string(word)))
	}
	if !known {
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
