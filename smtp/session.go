package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"postern/mime"
	"postern/trust/reason"
)

// A policy is what submission and backbone do differently.
type policy interface {
	login() Login // the zero one when nobody has authenticated
	sender(ctx context.Context, from mime.Address) error
	ready(ctx context.Context, e Envelope) error
	recipient(ctx context.Context, to mime.Address) error
	refused(ctx context.Context, e Envelope, all []Refusal)
	accept(ctx context.Context, e Envelope, message io.Reader) (string, error)
}

// A session is one SMTP session: from EHLO to the end of the connection or to
// STARTTLS, behind which the library opens another.
type session struct {
	ctx    context.Context
	cancel context.CancelFunc
	conn   *gosmtp.Conn
	net    net.Conn // the wire, or TLS over it
	wire   *wire
	tls    bool
	opts   *ServerOptions
	log    *slog.Logger
	policy policy

	// The library calls Data of a message in chunks (BDAT) in a goroutine of its
	// own, so that Reset may come while it runs.
	mu       sync.Mutex
	envelope Envelope
	refused  []Refusal // of its recipients; not more than errors of a connection
	taking   bool      // Data runs
	taken    bool      // Data has been called for this envelope
	stray    bool      // the last envelope had recipients and no message: see settle
	gone     bool      // the connection is being ended
}

func newSession(s *Server, c *gosmtp.Conn, p policy) (*session, error) {
	w, overTLS := wireOf(c.Conn())
	if w == nil {
		return nil, refusal(errors.New("a connection of another listener"), "")
	}
	ctx, cancel := context.WithCancel(w.ctx)
	return &session{
		ctx: ctx, cancel: cancel, conn: c, net: c.Conn(), wire: w, tls: overTLS, policy: p,
		opts: &s.opts, log: s.opts.Log.With("remote", w.remote.String()),
	}, nil
}

func wireOf(c net.Conn) (w *wire, overTLS bool) {
	t, overTLS := c.(*tls.Conn)
	if overTLS {
		c = t.NetConn()
	}
	w, _ = c.(*wire)
	return w, overTLS
}

// Mail implements gosmtp.Session: MAIL FROM.
func (s *session) Mail(from string, opts *gosmtp.MailOptions) (reply error) {
	defer s.catch(&reply)
	s.settle()
	if s.isGone() {
		return errGone
	}
	var address mime.Address
	if from != "" {
		var err error
		address, err = parsePath(from)
		if err != nil {
			return s.wrong(errBadSender)
		}
	}
	err := s.policy.sender(s.ctx, address)
	if err != nil {
		return s.refuse("MAIL", err)
	}
	if opts.Size > s.opts.MessageBytes { // RFC 1870 §6.1
		return s.refuse("MAIL", reason.New(reason.TooLarge, "SIZE=%d", opts.Size))
	}
	login := s.policy.login()
	e := Envelope{
		Remote: s.wire.remote, Helo: printable(s.conn.Hostname(), mime.MaxDomain), TLS: s.tls,
		Account: login.Account, Proof: login.Proof, From: address, Size: opts.Size,
	}
	err = s.policy.ready(s.ctx, e)
	if err != nil {
		return s.refuse("MAIL", err)
	}
	s.wire.useful()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelope = e
	return nil
}

// Rcpt implements gosmtp.Session: RCPT TO.
func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) (reply error) {
	defer s.catch(&reply)
	if s.isGone() {
		return errGone
	}
	address, err := parsePath(to)
	if err != nil {
		return s.wrong(errBadRecipient)
	}
	err = s.policy.recipient(s.ctx, address)
	if err != nil {
		s.mu.Lock()
		s.refused = append(s.refused, Refusal{address, err})
		s.mu.Unlock()
		return s.refuse("RCPT", err)
	}
	s.wire.useful()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.envelope.To, address.Same) {
		s.envelope.To = append(s.envelope.To, address)
	}
	return nil
}

// Data implements gosmtp.Session: the message, by DATA or BDAT. It reads to the
// end of the message whatever the verdict, so that what follows is not taken for
// commands and the library, which fills a pipe for BDAT, never waits for a reader.
func (s *session) Data(r io.Reader) error {
	reply := s.take(r)
	_, err := io.Copy(io.Discard, r)
	if errors.Is(err, gosmtp.ErrDataReset) {
		s.leave() // see Reset
	}
	s.stopTaking()
	return reply
}

func (s *session) take(r io.Reader) (reply error) {
	defer s.catch(&reply)
	e, ok := s.startTaking()
	if !ok {
		return errGone
	}
	s.wire.begin() // ended by Reset, after the library has read all and replied
	in := newIntake(s.asChunks(r), s.opts.MessageBytes)
	id, err := s.policy.accept(s.ctx, e, in)
	err = verdict(in, err)
	if err != nil {
		s.logRefusal("DATA", err, id)
		s.wire.wrong() // the session may end, but not before this answer
		return refusal(err, id)
	}
	s.wire.worthwhile()
	s.log.Debug("message accepted", "id", id, "recipients", len(e.To), "tls", e.TLS)
	return accepted(id)
}

// verdict joins how reading went with what the backend said. Only a message read
// to its end without fault and accepted by the backend is accepted.
func verdict(in *intake, err error) error {
	if in.err != nil && in.err != io.EOF {
		return in.err
	}
	if err != nil {
		return err
	}
	if in.err == nil {
		return reason.New(reason.Internal, "the backend did not read the message to its end")
	}
	return nil
}

func (s *session) startTaking() (Envelope, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone || len(s.envelope.To) == 0 {
		return Envelope{}, false
	}
	s.taking, s.taken = true, true
	return s.envelope, true
}

func (s *session) stopTaking() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taking = false
}

// Reset implements gosmtp.Session: the transaction is over, done or not. One
// that is given up between two chunks ends the connection, because the library
// cannot tell the late answer of the old message from that of the next one.
func (s *session) Reset() {
	s.tellRefused()
	s.mu.Lock()
	taking := s.taking
	s.stray = len(s.envelope.To) > 0 && !s.taken
	s.envelope, s.taken = Envelope{}, false
	s.mu.Unlock()
	s.wire.end()
	if taking {
		s.leave()
	}
}

// settleTime is ample for a goroutine that is ready to start.
const settleTime = 10 * time.Millisecond

// settle waits after a transaction was given up before its message. That could
// have been BDAT 0 and RSET at once: then the library's call of Data is still to
// come, and would answer in place of the next message. When it comes it ends the
// connection.
func (s *session) settle() {
	s.mu.Lock()
	stray := s.stray
	s.stray = false
	s.mu.Unlock()
	if stray {
		s.wire.linger(settleTime)
	}
}

// tellRefused tells the backend of the recipients that were refused, once. The client
// may be gone by then.
func (s *session) tellRefused() {
	s.mu.Lock()
	e, all := s.envelope, s.refused
	s.refused = nil
	s.mu.Unlock()
	if len(all) > 0 {
		var ignored error
		defer s.catch(&ignored)
		s.policy.refused(context.WithoutCancel(s.ctx), e, all)
	}
}

// Logout implements gosmtp.Session: the session is over.
func (s *session) Logout() error {
	s.tellRefused()
	s.cancel()
	return nil
}

// leave ends the connection after the current reply.
func (s *session) leave() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.wire.hangUp()
}

func (s *session) isGone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// wrong counts an error of the client and passes the reply on, unless it is one
// too many.
func (s *session) wrong(reply *gosmtp.SMTPError) error {
	if s.wire.wrong() {
		s.leave()
		return errGone
	}
	return reply
}

func (s *session) refuse(command string, err error) error {
	s.logRefusal(command, err, "")
	return s.wrong(refusal(err, ""))
}

func (s *session) logRefusal(command string, err error, id string) {
	code := reason.Of(err)
	level := slog.LevelInfo
	if code == reason.Internal {
		level = slog.LevelError
	}
	s.log.Log(s.ctx, level, "refused", "command", command, "reason", code.String(), "id", id, "err", err)
}

// catch turns a panic of a backend into 421 and the end of the connection.
func (s *session) catch(reply *error) {
	v := recover()
	if v == nil {
		return
	}
	s.log.Error("panic in a session", "value", panicText(v), "stack", string(debug.Stack()))
	s.leave()
	*reply = errPanicked
}

// parsePath reads a mailbox as the library hands it over: the local part is
// unquoted. One with an @ in it could be either form, and is refused.
func parsePath(s string) (mime.Address, error) {
	local, domain, _ := strings.Cut(s, "@")
	d, err := mime.ParseDomain(domain)
	if err != nil {
		return mime.Address{}, err
	}
	return mime.NewAddress(local, d)
}

// printable makes a peer's words fit for logs and headers of ours: printable
// ASCII, at most max octets.
func printable(s string, max int) string {
	s = s[:min(len(s), max)]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
