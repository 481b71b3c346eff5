package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// A policy is what submission and backbone do differently.
type policy interface {
	login() Login // the zero one when nobody has authenticated
	sender(ctx context.Context, from mime.Address) error
	ready(ctx context.Context, e Envelope) error
	recipient(ctx context.Context, e Envelope, to mime.Address) error
	postmaster(ctx context.Context) (mime.Address, error)
	refused(ctx context.Context, e Envelope, all []Refusal)
	accept(ctx context.Context, e Envelope, message io.Reader) (string, error)
}

// A session is one connection, from its greeting to its end. It is one goroutine.
type session struct {
	server *Server
	wire   *wire
	tls    *tls.Conn // over the wire; nil in clear
	in     *bufio.Reader
	out    []byte // replies that are not sent yet
	opts   *ServerOptions
	log    *slog.Logger
	policy policy
	auth   *authentication // nil where there is none

	helo     string // what the client calls itself; "" before EHLO
	extended bool   // it said EHLO
	envelope *Envelope
	refused  []Refusal // of its recipients; not more than errors of a connection
	surplus  int       // recipients beyond those that a message may have
	pending  *command  // read within a message in chunks, and to be done after it
	unsure   bool      // DATA was refused, and what comes may be its message
	gone     bool      // the connection is being ended
	midway   bool      // and the client is still sending
}

func newSession(s *Server, w *wire) *session {
	c := &session{
		server: s, wire: w, in: bufio.NewReader(w), opts: &s.opts,
		log: s.opts.Log.With("remote", w.remote.String()),
	}
	s.equip(c)
	return c
}

// run serves the connection to its end.
func (s *session) run() {
	defer s.close()
	defer func() {
		v := recover()
		if v != nil {
			s.panicked(v)
		}
	}()
	if s.opts.Implicit {
		_ = s.wire.expect() // nothing has been counted yet
		if !s.handshake() {
			return
		}
	}
	s.answer(say(220, reason.Enhanced{}, s.opts.Hostname+" ESMTP"))
	for !s.gone {
		c, err := s.next()
		if err != nil {
			s.lost(err)
			break
		}
		s.answer(s.do(c))
	}
	s.depart()
}

// next is the next command. What is malformed is answered here.
func (s *session) next() (command, error) {
	if s.pending != nil {
		c := *s.pending
		s.pending = nil
		return c, nil
	}
	for {
		line, err := s.line()
		switch {
		case errors.Is(err, errLineForm):
			s.answer(s.noCommand(line, errBadLine))
		case errors.Is(err, errLineLong):
			s.answer(s.noCommand(line, errLongLine))
		case err != nil:
			return command{}, err
		default:
			return parseCommand(line), nil
		}
		if s.gone {
			return command{}, io.EOF
		}
	}
}

// line reads a line. Replies are sent before the session waits for it.
func (s *session) line() (string, error) {
	if !s.isAhead() {
		s.flush()
	}
	err := s.wire.expect()
	if err != nil {
		return "", err
	}
	return readLine(s.in)
}

// isAhead reports whether the client has sent more already.
func (s *session) isAhead() bool { return s.in.Buffered() > 0 }

// hasSentMore is isAhead also for what was not read yet: that is under TLS, or in the
// socket.
func (s *session) hasSentMore() bool {
	if s.isAhead() || s.wire.holdsMore() {
		return true
	}
	s.wire.probe(true)
	defer s.wire.probe(false)
	_, err := s.in.Peek(1)
	return err == nil
}

// answer has a reply sent before the session waits for the client.
func (s *session) answer(r reply) {
	if len(r.lines) == 0 {
		return
	}
	s.out = r.appendTo(s.out)
	if len(s.out) > 4<<10 {
		s.flush()
	}
}

func (s *session) flush() {
	if len(s.out) == 0 {
		return
	}
	_, err := s.conn().Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		s.gone = true
	}
}

func (s *session) conn() net.Conn {
	if s.tls != nil {
		return s.tls
	}
	return s.wire
}

// lost says why no further command is read, to a client that may still listen.
func (s *session) lost(err error) {
	var late net.Error
	switch {
	case s.gone || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
	case s.wire.isDraining():
		s.answer(errClosing)
	case errors.Is(err, errEndless):
		s.midway = true
		s.answer(errEndlessLine)
	case errors.Is(err, errTiresome):
		s.answer(errGone)
	case errors.As(err, &late) && late.Timeout():
		s.answer(errIdle) // EP-9, RFC 5321 §4.5.3.2.7
	}
}

// do carries a command out. A panic of a backend is 421 and the end.
func (s *session) do(c command) (r reply) {
	defer func() {
		v := recover()
		if v != nil {
			s.panicked(v)
			r = errPanicked
		}
	}()
	return s.dispatch(c)
}

func (s *session) panicked(v any) {
	s.log.Error("panic in a session", "value", panicText(v), "stack", string(debug.Stack()))
	s.gone = true
}

// dispatch finds what does a command (RFC 5321 §4.1.1, RFC 3030, RFC 3207, RFC 4954).
func (s *session) dispatch(c command) reply {
	switch c.verb {
	case "EHLO":
		return s.ehlo(c.arg)
	case "HELO":
		return s.hello(c.arg)
	case "MAIL":
		return s.mail(c.arg)
	case "RCPT":
		return s.rcpt(c.arg)
	case "BDAT":
		return s.bdat(c.arg)
	case "AUTH":
		return s.authenticate(c.arg)
	case "VRFY":
		return s.vrfy(c.arg)
	case "NOOP": // RFC 5321 §4.1.1.9: an argument is not looked at
		return saidOK
	case "HELP":
		return saidHelp
	case "EXPN", "SEND", "SOML", "SAML", "TURN", "ETRN":
		return errNotOffered
	}
	return s.dispatchBare(c)
}

// dispatchBare finds what does a command that takes no argument.
func (s *session) dispatchBare(c command) reply {
	var do func() reply
	switch c.verb {
	case "DATA":
		do = s.data
	case "RSET":
		do = s.rset
	case "QUIT":
		do = s.quit
	case "STARTTLS":
		do = s.startTLS
	default:
		return s.noCommand(c.verb+c.arg, errUnknown)
	}
	if c.arg != "" {
		if c.verb == "DATA" {
			s.refusedData()
		}
		return errArgument
	}
	return do()
}

func (s *session) rset() reply {
	s.reset()
	return saidOK
}

func (s *session) quit() reply {
	s.gone = true
	return saidGoodbye
}

func (s *session) vrfy(arg string) reply {
	if arg == "" {
		return errNoArgument
	}
	if s.mustSecure() {
		return errTLSFirst
	}
	return saidNotVerify
}

// mustSecure reports whether the session is one of submission in clear, which is good
// for STARTTLS alone (EP-4).
func (s *session) mustSecure() bool { return s.server.needTLS && s.tls == nil }

// reset ends the transaction, done or not.
func (s *session) reset() {
	s.tellRefused()
	s.envelope, s.surplus = nil, 0
	s.wire.end()
}

// tellRefused tells the backend of the recipients that were refused, once. The client
// may be gone by then.
func (s *session) tellRefused() {
	all := s.refused
	s.refused = nil
	if len(all) == 0 || s.envelope == nil {
		return
	}
	defer func() {
		v := recover()
		if v != nil {
			s.panicked(v)
		}
	}()
	s.policy.refused(context.WithoutCancel(s.wire.ctx), *s.envelope, all)
}

// wrong counts an error of the client and passes the reply on, unless it is one
// too many.
func (s *session) wrong(r reply) reply {
	if s.wire.wrong() {
		s.gone = true
		return errGone
	}
	return r
}

// noCommand is wrong for a line that is no command. Behind a DATA that was refused that is
// the begin of the message, and the connection ends before more of it is read as commands.
// What comes behind a line that a client may take for DATA is what comes behind that.
func (s *session) noCommand(line string, r reply) reply {
	if s.unsure {
		s.gone, s.midway = true, true
	}
	r = s.wrong(r)
	if looksLikeData(line) {
		s.refusedData()
	}
	return r
}

func (s *session) refuse(command string, err error) reply {
	s.logRefusal(command, err, "")
	return s.wrong(refusal(err, ""))
}

func (s *session) logRefusal(command string, err error, id string) {
	code := reason.Of(err)
	level := slog.LevelInfo
	if code == reason.Internal {
		level = slog.LevelError
	}
	s.log.Log(s.wire.ctx, level, "refused", "command", command, "reason", code.String(), "id", id, "err", err)
}

// departure is how long a client that is still sending has to read the last reply, and
// haste how long while the server ends.
const (
	departure = 5 * time.Second
	haste     = time.Second
)

// depart sends what is left to say. A socket that is closed with octets unread takes
// the last reply back; so of a client that is still sending all is read, as nothing.
func (s *session) depart() {
	s.flush()
	if s.wire.deaf() || !s.midway && !s.isAhead() && !s.wire.holdsMore() {
		return
	}
	if s.tls != nil {
		_ = s.tls.CloseWrite()
	}
	socket := s.wire.Conn
	half, ok := socket.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || s.wire.depart() != nil {
		return
	}
	_, _ = io.Copy(io.Discard, socket)
}

// close ends the session, which is in its group until then, also when it was cut before:
// what a backend does for it may go on until here.
func (s *session) close() {
	defer s.server.group.Remove(s.wire)
	s.tellRefused()
	if s.tls != nil {
		_ = s.tls.Close()
	}
	_ = s.wire.Close()
	s.wire.release()
}
