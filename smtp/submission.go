package smtp

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

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

// AuthMechanisms implements gosmtp.AuthSession. The library offers them under
// TLS only (EP-4, EP-5).
func (s *submissionSession) AuthMechanisms() []string {
	if !s.tls {
		return nil
	}
	return []string{sasl.Plain, sasl.Login}
}

// Auth implements gosmtp.AuthSession.
func (s *submissionSession) Auth(mechanism string) (sasl.Server, error) {
	if s.isGone() {
		return nil, errGone
	}
	if !s.tls {
		return nil, s.refuse("AUTH", reason.New(reason.AuthRequired, "AUTH without TLS"))
	}
	switch mechanism {
	case sasl.Plain:
		return &replySASL{sasl.NewPlainServer(s.plain)}, nil
	case sasl.Login:
		return &replySASL{&loginServer{authenticate: s.authenticate}}, nil
	}
	return nil, errBadMechanism
}

// plain refuses to act for someone else than the one who authenticates (RFC
// 4616 §2).
func (s *submissionSession) plain(identity, user, password string) error {
	if identity != "" && identity != user {
		return s.failed(reason.New(reason.AuthFailed, "authorization as another user"))
	}
	return s.authenticate(user, password)
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

func (s *submissionSession) authenticate(user, password string) (reply error) {
	defer s.catch(&reply)
	login, err := s.submission.backend.Authenticate(s.ctx, user, password, s.wire.remote.Addr())
	if err == nil && login.Account.IsZero() {
		err = errors.New("authenticated as no account")
	}
	if err != nil {
		return s.failed(err)
	}
	s.submission.proven = login
	return nil
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
