package pop3

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"postern/pickup"
	"postern/pickup/door"
)

// A session is one connection. All of it runs in one goroutine, but for what ends it.
type session struct {
	server  *Server
	options *Options
	log     *slog.Logger
	net     *door.Conn
	door.Patience

	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	drain  func()          // closes Patience.Ended
	begins context.Context // ends when no session may begin any more
	secure *tls.Conn       // nil: in clear
	in     *bufio.Reader
	out    *bufio.Writer

	commands int // in clear
	failures int // to log in
	name     string
	user     User
	drop     *drop // nil: AUTHORIZATION; otherwise TRANSACTION (RFC 1939 §3)
}

func (s *Server) newSession(c *door.Conn) *session {
	x := &session{server: s, options: &s.options, net: c, log: s.options.Log.With("remote", c.IP)}
	x.ctx, x.cancel = context.WithCancel(s.ctx)
	ended := make(chan struct{})
	var stop context.CancelFunc
	x.begins, stop = context.WithCancel(x.ctx)
	x.drain = sync.OnceFunc(func() { close(ended); stop() })
	x.Patience = door.Patience{Delay: s.options.ErrorDelay, Errors: &s.errors, Ended: ended}
	return x
}

// Drain has the session end after the command it is at, which waits for no client that
// reads nothing of its answer. It implements admit.Conn.
func (s *session) Drain() {
	s.drain()
	s.net.Hurry()
	_ = s.net.SetReadDeadline(time.Unix(1, 0)) // fails on a connection that is closed
}

// Cut ends the session now. It implements admit.Conn.
func (s *session) Cut() {
	s.cancel()
	_ = s.net.Close()
}

// Errors that end a session.
var (
	errQuit    = errors.New("the client has left")
	errClosing = errors.New("the server is going down")
	errGone    = errors.New("the connection is gone")
)

// serve talks to the client until it leaves.
func (s *session) serve() {
	stop := context.AfterFunc(s.ctx, func() { _ = s.net.Close() })
	defer stop()
	defer s.end()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("pop3 panic", "stack", string(debug.Stack()))
		}
	}()
	err := s.open()
	for err == nil {
		err = s.turn()
	}
	switch {
	case errors.Is(err, errQuit):
	case errors.Is(err, errClosing):
		s.say("-ERR [SYS/TEMP] The server is going down")
	default:
		s.log.Debug("pop3 connection ended", "err", err)
	}
	if s.out != nil {
		_ = s.out.Flush() // to whom it still reaches
	}
}

// end gives everything free. What was marked to be removed is not.
func (s *session) end() {
	if s.drop != nil {
		s.drop.release()
	}
	s.drain()
	if s.secure != nil {
		_ = s.secure.Close() // tells the client that all is said: before the socket goes
	}
	_ = s.net.Close()
	s.cancel()
}

// open brings the connection under TLS, if that is to come first, and greets.
func (s *session) open() error {
	s.Until = time.Now().Add(s.options.LoginTime)
	if s.options.Implicit {
		err := s.secured()
		if err != nil {
			return err
		}
	} else {
		s.over()
	}
	if s.net.Over != "" {
		s.server.gate.Log(s.options.Log, s.net)
		s.say("-ERR [SYS/TEMP] %s", s.net.Over)
		return errQuit
	}
	// Without a time stamp: there is no APOP (RFC 1939 §7), which needs passwords as
	// they are.
	s.say("+OK POP3 server ready")
	return nil
}

// secured brings the connection under TLS. What the client sent in clear behind STLS
// is dropped with its reader (RFC 2595 §4).
func (s *session) secured() error {
	t := tls.Server(s.net, s.options.TLS)
	err := door.Handshake(s.begins, t, s.options.Handshake)
	if err != nil {
		return errors.Join(errGone, err)
	}
	s.secure, s.name = t, ""
	s.Until = time.Now().Add(s.options.LoginTime)
	s.over()
	return nil
}

// turn reads a command and answers it. What the last ones cost is waited for when it is
// there: the end of a client that says nothing more is seen at once, and sets its mailbox
// free.
func (s *session) turn() error {
	if s.Spent() {
		s.say("-ERR Too many errors")
		return errQuit
	}
	line, err := s.line(s.deadline())
	long := errors.Is(err, errLong)
	if err != nil && !long {
		return err
	}
	s.Pay()
	switch {
	case s.ending():
		return errClosing
	case s.Late():
		s.say(tooLate)
		return errQuit
	case long:
		return s.wrong("The line is too long")
	}
	if s.user != nil {
		err := s.user.Check(s.ctx)
		if errors.Is(err, pickup.ErrRevoked) {
			s.log.Info("pop3 session ended", "reason", "the login is no longer good")
			s.say("-ERR [AUTH] The login is no longer good")
			return errQuit
		}
		if err != nil {
			return s.fail("check", err)
		}
	}
	return s.obey(line)
}

// deadline is until when the next command must be there.
func (s *session) deadline() time.Time {
	if !s.Until.IsZero() {
		return s.Until
	}
	return time.Now().Add(s.options.Idle)
}
