package pickup

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Bounds on a connection before TLS. There is little to say.
const (
	clearTime     = time.Minute
	clearCommands = 20
	clearLine     = 1024
)

// errGone says that a client went away before TLS, in order.
var errGone = errors.New("the client left before TLS")

// startTLS talks to a client that is not under TLS yet, until it asks for it
// (RFC 9051 §6.2.1). Nothing else is to be had: no password is taken, and the
// library does not see the connection. What the client sent in clear behind
// the command is dropped with the reader.
func (s *Server) startTLS(f *front) (*tls.Conn, error) {
	err := f.counted.SetDeadline(time.Now().Add(clearTime))
	if err != nil {
		return nil, err
	}
	talk := &clearTalk{w: f.counted, r: bufio.NewReaderSize(f.counted, clearLine), offer: s.options.TLS != nil}
	err = talk.say("* OK [CAPABILITY %s] IMAP server ready", talk.capabilities())
	if err != nil {
		return nil, err
	}
	for range clearCommands {
		secure, err := talk.command()
		if err != nil {
			return nil, err
		}
		if secure {
			return tls.Server(f.counted, s.options.TLS), nil
		}
	}
	return nil, talk.leave("Too many commands without TLS")
}

type clearTalk struct {
	w     io.Writer
	r     *bufio.Reader
	offer bool
}

func (t *clearTalk) capabilities() string {
	if t.offer {
		return "IMAP4rev2 IMAP4rev1 STARTTLS LOGINDISABLED"
	}
	return "IMAP4rev2 IMAP4rev1 LOGINDISABLED"
}

func (t *clearTalk) say(format string, args ...any) error {
	_, err := fmt.Fprintf(t.w, format+"\r\n", args...)
	return err
}

func (t *clearTalk) leave(text string) error {
	err := t.say("* BYE %s", text)
	return errors.Join(errGone, err)
}

// command answers one command, and says whether TLS is to begin.
func (t *clearTalk) command() (secure bool, err error) {
	line, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return false, t.leave("The line is too long")
	}
	if err != nil {
		return false, errors.Join(errGone, err)
	}
	tag, rest, found := strings.Cut(string(bytes.TrimRight(line, "\r\n")), " ")
	if !found || !validTag(tag) {
		return false, t.leave("That is no IMAP command")
	}
	name, args, _ := strings.Cut(rest, " ")
	name = strings.ToUpper(name)
	switch name {
	case "LOGIN", "AUTHENTICATE":
		return false, t.say("%s NO [PRIVACYREQUIRED] TLS is required to authenticate", tag)
	case "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS":
		if args != "" {
			return false, t.say("%s BAD [CLIENTBUG] Syntax error", tag)
		}
	}
	switch name {
	case "CAPABILITY":
		return false, t.say("* CAPABILITY %s\r\n%s OK CAPABILITY completed", t.capabilities(), tag)
	case "NOOP":
		return false, t.say("%s OK NOOP completed", tag)
	case "LOGOUT":
		return false, errors.Join(errGone, t.say("* BYE Logging out\r\n%s OK LOGOUT completed", tag))
	case "STARTTLS":
		if !t.offer {
			return false, t.say("%s NO STARTTLS is not available", tag)
		}
		return true, t.say("%s OK Begin TLS negotiation now", tag)
	case "SELECT", "EXAMINE", "FETCH", "LIST", "STATUS", "IDLE", "UID", "CREATE", "APPEND", "SEARCH", "STORE", "COPY":
		return false, t.say("%s BAD [CLIENTBUG] Log in first", tag)
	}
	// A client of another protocol is not kept talking.
	err = t.say("%s BAD Unknown command", tag)
	return false, errors.Join(t.leave("Unknown command"), err)
}

// validTag reports whether s is a tag (RFC 9051 §9).
func validTag(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte(`(){%*"\+`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
