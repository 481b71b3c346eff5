package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// An imapSession is a client that reads whatever comes, and keeps none of it.
type imapSession struct {
	net.Conn
	in  *bufio.Reader
	tag int
}

// greeted is a session before its login.
func (d pickupDoor) greeted(ctx context.Context) (*imapSession, error) {
	conn, err := d.dial(ctx)
	if err != nil {
		return nil, err
	}
	s := &imapSession{Conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	_, err = s.line()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// login logs in and opens the mailbox.
func (s *imapSession) login(d pickupDoor) error {
	err := s.do(fmt.Sprintf("LOGIN %s %q", d.user, housePassword))
	if err == nil {
		err = s.do("SELECT INBOX")
	}
	return err
}

// enterIMAP is a session that has the mailbox open.
func (d pickupDoor) enterIMAP(ctx context.Context) (*imapSession, error) {
	s, err := d.greeted(ctx)
	if err != nil {
		return nil, err
	}
	err = s.login(d)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// do sends a command and reads to its end, which must be OK.
func (s *imapSession) do(command string) error {
	s.tag++
	tag := fmt.Sprintf("t%d ", s.tag)
	_, err := io.WriteString(s, tag+command+"\r\n")
	if err != nil {
		return err
	}
	rest, err := s.await(tag)
	if err == nil && !strings.HasPrefix(rest, "OK") {
		err = fmt.Errorf("%.20s: %s", command, rest)
	}
	return err
}

// await reads up to a line that begins so, and returns its rest.
func (s *imapSession) await(prefix string) (string, error) {
	for {
		line, err := s.line()
		if err != nil {
			return "", err
		}
		rest, ok := strings.CutPrefix(line, prefix)
		if ok {
			return rest, nil
		}
	}
}

// line reads a response. One with literals is returned as "".
func (s *imapSession) line() (string, error) {
	first, err := s.in.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	n, more := literal(first)
	if !more {
		return string(bytes.TrimRight(first, "\r\n")), nil
	}
	for more {
		_, err := s.in.Discard(n)
		if err != nil {
			return "", err
		}
		rest, err := s.in.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		n, more = literal(rest)
	}
	return "", nil
}

// literal is the length of a literal that a line announces at its end (RFC 9051 §4.3).
func literal(line []byte) (n int, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte("}\r\n"))
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, '{')+1:]))
	return n, err == nil
}

// leave ends a session, and its connection.
func (s *imapSession) leave() error { return errors.Join(s.do("LOGOUT"), s.Close()) }
