package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"postern/internal/login"
	"postern/mime"
	"postern/trust/reason"
)

// maxAuthFailures is how many wrong passwords a connection may send.
const maxAuthFailures = 3

// submission is the policy towards the accounts.
type submission struct {
	backend SubmissionBackend
	proven  Login // after AUTH
}

func (p *submission) login() Login { return p.proven }

// sender wants AUTH first (RFC 6409 §4.3). The null sender is for notices, which
// an account does not send.
func (p *submission) sender(ctx context.Context, from mime.Address) error {
	if p.proven.Account.IsZero() {
		return reason.New(reason.AuthRequired, "MAIL before AUTH")
	}
	if from.IsZero() {
		return reason.New(reason.SenderNotAllowed, "null sender")
	}
	return p.backend.CheckSender(ctx, p.proven, from)
}

func (p *submission) recipient(ctx context.Context, to mime.Address) error {
	return p.backend.CheckRecipient(ctx, p.proven.Account, to)
}

func (p *submission) refused(ctx context.Context, e Envelope, all []Refusal) {
	p.backend.Refused(ctx, e, all)
}

func (p *submission) ready(ctx context.Context, e Envelope) error { return p.backend.Ready(ctx, e) }

func (p *submission) accept(ctx context.Context, e Envelope, message io.Reader) (string, error) {
	return p.backend.Accept(ctx, e, message)
}

// A submissionSession is a session with AUTH.
type submissionSession struct {
	*session
	submission *submission
	failures   int
}

// AuthMechanisms implements gosmtp.AuthSession. They are offered under TLS only
// (EP-4, EP-5).
func (s *submissionSession) AuthMechanisms() []string {
	return s.client().Mechanisms(s.submission.backend.OffersScram(s.ctx))
}

func (s *submissionSession) client() login.Client {
	c := login.Client{Service: login.SMTP, Remote: s.wire.remote.Addr(), Config: s.opts.TLS}
	secured, ok := s.net.(*tls.Conn)
	if ok {
		state := secured.ConnectionState()
		c.TLS = &state
	}
	return c
}

// Auth implements gosmtp.AuthSession.
func (s *submissionSession) Auth(mechanism string) (sasl.Server, error) {
	if s.isGone() {
		return nil, errGone
	}
	if !s.tls {
		return nil, s.refuse("AUTH", reason.New(reason.AuthRequired, "AUTH without TLS"))
	}
	server, err := login.Exchange{
		Client: s.client(), Scram: s.submission.backend.OffersScram(s.ctx),
		Login: s.authenticate, Verifiers: s.verifiers,
	}.Server(mechanism)
	if err != nil {
		return nil, errBadMechanism
	}
	return &replySASL{server}, nil
}

// A replySASL lets no error reach the peer but our replies.
type replySASL struct{ sasl.Server }

// Next implements sasl.Server.
func (r *replySASL) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = r.Server.Next(response)
	if err == nil {
		return challenge, done, nil
	}
	_, ok := err.(*gosmtp.SMTPError) // by assertion, as the library looks at it
	if !ok {
		err = errBadAuth
	}
	return nil, false, err
}

// Mail implements gosmtp.Session. A login that is over cannot be renewed on the
// same connection (RFC 4954 §4), which therefore ends.
func (s *submissionSession) Mail(from string, opts *gosmtp.MailOptions) error {
	known := !s.submission.proven.Account.IsZero()
	err := s.session.Mail(from, opts)
	reply, ok := err.(*gosmtp.SMTPError)
	if known && ok && reply.Code == reason.AuthRequired.Outcome().Reply {
		s.leave()
	}
	return err
}

func (s *submissionSession) authenticate(a login.Attempt) (reply error) {
	defer s.catch(&reply)
	proven, err := s.submission.backend.Login(s.ctx, a)
	if err == nil && proven.Account.IsZero() {
		err = errors.New("authenticated as no account")
	}
	if err != nil {
		return s.failed(err)
	}
	s.submission.proven = proven
	return nil
}

func (s *submissionSession) verifiers(a login.Attempt) (v login.Verifiers, reply error) {
	defer s.catch(&reply)
	v, err := s.submission.backend.Verifiers(s.ctx, a)
	if err != nil {
		return v, s.failed(err)
	}
	return v, nil
}

// failed answers a failure to authenticate: late, and the last time for good.
func (s *submissionSession) failed(err error) error {
	s.logRefusal("AUTH", err, "")
	if reason.Of(err) != reason.AuthFailed {
		answer := refusal(err, "")
		if reason.Of(err).Outcome().Retry {
			answer = &gosmtp.SMTPError{Code: 454, EnhancedCode: gosmtp.EnhancedCode{4, 7, 0}, Message: "temporary authentication failure, try again later"} // RFC 4954 §4.7.6
		}
		return s.wrong(answer)
	}
	s.failures++
	s.wire.linger(time.Duration(s.failures) * s.opts.AuthDelay)
	if s.failures >= maxAuthFailures {
		s.leave()
	}
	return refusal(err, "")
}
