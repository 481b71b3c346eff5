package pickup

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"postern/internal/login"
	"postern/pickup/door"
)

// A session is one connection. Commands come one after another from the
// library; only Idle runs in a goroutine of its own, and may outlast its
// command by a moment when the connection breaks, so mu guards the state.
type session struct {
	server *Server
	conn   *imapserver.Conn
	net    *door.Conn
	front  *front
	log    *slog.Logger
	ctx    context.Context // ends with the session
	cancel context.CancelFunc
	idling sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	failures int
	user     User
	asked    asked      // by the command; of the goroutine that answers commands alone
	aware    bool       // the client knows of modification sequences
	view     *view      // nil: no mailbox is selected, or the selected one is gone
	sent     *door.Sent // of the mailbox that was selected last; nil: none was
	parsed   parsedBody
}

var (
	_ imapserver.SessionIMAP4rev2   = (*session)(nil)
	_ imapserver.SessionAppendLimit = (*session)(nil)
	_ imapserver.SessionSASL        = (*session)(nil)
)

// Close ends the session; the library calls it once.
func (s *session) Close() error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	s.view = nil
	s.mu.Unlock()
	_ = s.front.wire.flush() // to whom it still reaches
	s.settle()
	s.idling.Wait()
	s.server.remove(s)
	return nil
}

// Login checks a password. The library calls it for LOGIN, and only under TLS.
func (s *session) Login(username, password string) error {
	letIn, err := s.login(login.Attempt{Client: s.client(), Method: login.Password, User: username, Secret: password})
	if err == nil {
		letIn()
	}
	return err
}

// login decides on an attempt, of LOGIN or of AUTHENTICATE.
func (s *session) login(a login.Attempt) (letIn func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures >= s.server.options.LoginAttempts {
		return nil, imapserver.ErrAuthFailed
	}
	user, err := s.server.backend.Login(s.ctx, a)
	if err != nil {
		return nil, s.failed(err)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.user = user
		s.front.welcome()
		s.log.Info("imap login", "user", a.User, "method", a.Method)
	}, nil
}

// failed answers a login that came to nothing: late, and the last time for good. mu is
// held.
func (s *session) failed(err error) error {
	s.failures++
	s.server.errors.Add(1)
	// What was given as a user name may be a password, so it is not logged.
	s.log.Info("imap login failed", "attempt", s.failures, "wrong", errors.Is(err, ErrAuthFailed))
	if errors.Is(err, ErrAuthFailed) {
		s.front.Linger(time.Duration(s.failures) * s.server.options.AuthDelay)
	}
	if s.failures >= s.server.options.LoginAttempts {
		// The library holds its writer during AUTHENTICATE, so BYE has to
		// wait for it elsewhere.
		s.server.spawn(func() { s.bye("Too many failed logins") })
	}
	return s.reply("login", err)
}

// bye tells the client goodbye and closes the connection.
func (s *session) bye(text string) {
	err := s.conn.Bye(text)
	if err != nil {
		s.log.Debug("imap bye", "err", err)
	}
}

// hangUp closes the connection below TLS, which breaks off any read or write.
func (s *session) hangUp() {
	s.cancel()
	err := s.net.Close()
	if err != nil {
		s.log.Debug("imap hang up", "err", err)
	}
}

// AppendLimit is the APPENDLIMIT of RFC 7889.
func (s *session) AppendLimit() uint32 { return uint32(s.server.options.AppendLimit) }

// Namespace says that all mailboxes are the user's own (RFC 9051 §6.3.10).
func (s *session) Namespace() (*imap.NamespaceData, error) {
	return &imap.NamespaceData{Personal: []imap.NamespaceDescriptor{{Delim: delimiter}}}, nil
}

// check ends the session of a user whose login is no longer good: an account
// that was closed, or given another password, is closed here too. mu is held.
func (s *session) check() error {
	err := s.user.Check(s.ctx)
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrRevoked) {
		return s.reply("check", err)
	}
	s.view = nil
	s.log.Info("imap session ended", "reason", "the login is no longer good")
	s.bye("The login is no longer good")
	return no(imap.ResponseCodeAuthorizationFailed, "The login is no longer good")
}

// selected returns the view of the selected mailbox. mu is held.
func (s *session) selected() (*view, error) {
	err := s.check()
	if err != nil {
		return nil, err
	}
	if s.view == nil {
		return nil, no(imap.ResponseCodeNonExistent, "The mailbox is gone")
	}
	return s.view, nil
}

// writable is selected for commands that change messages.
func (s *session) writable() (*view, error) {
	v, err := s.selected()
	if err != nil {
		return nil, err
	}
	if v.readOnly {
		return nil, no(imap.ResponseCodeNoPerm, "The mailbox is open for reading only")
	}
	return v, nil
}
