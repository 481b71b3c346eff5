package smtp

import (
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-sasl"

	"postern/internal/login"
	"postern/trust/reason"
)

// maxAuthFailures is how many wrong passwords a connection may send.
const maxAuthFailures = 3

// An authentication is how a session of submission gets to know its account.
type authentication struct {
	session  *session
	policy   *submission
	failures int
	failure  reply // to the exchange under way
}

// mechanisms are those that are offered, which is under TLS only (EP-4, EP-5).
func (a *authentication) mechanisms() []string {
	return a.client().Mechanisms(a.policy.backend.Offers(a.session.wire.ctx))
}

func (a *authentication) client() login.Client {
	s := a.session
	c := login.Client{Service: login.SMTP, Remote: s.wire.remote.Addr(), Config: s.opts.TLS}
	if s.tls != nil {
		state := s.tls.ConnectionState()
		c.TLS = &state
	}
	return c
}

// authenticate is AUTH (RFC 4954). EHLO need not come first: there are clients, and a
// certification tool, that say it before STARTTLS and after AUTH alone.
func (s *session) authenticate(arg string) reply {
	mechanism, initial, _ := strings.Cut(arg, " ")
	switch {
	case s.auth == nil:
		return errNotOffered
	case s.mustSecure():
		return errTLSFirst
	case !s.auth.policy.proven.Account.IsZero(): // so too within a message, which needs a login (RFC 4954 §4)
		return errProven
	case mechanism == "":
		return errNoArgument
	}
	server, err := login.Exchange{
		Client: s.auth.client(), Offer: s.auth.policy.backend.Offers(s.wire.ctx),
		Login: s.auth.login, Verifiers: s.auth.verifiers,
	}.Server(strings.ToUpper(mechanism))
	if err != nil {
		return s.wrong(errMechanism)
	}
	return s.auth.run(server, strings.TrimSpace(initial))
}

// run exchanges what the mechanism has to say. A client may say its part with the
// command, where "=" is that it says nothing (RFC 4954 §4).
func (a *authentication) run(server sasl.Server, initial string) reply {
	a.failure = reply{}
	var response []byte
	if initial != "" {
		var ok bool
		response, ok = decode(initial)
		if !ok {
			return a.session.wrong(errBadAuth)
		}
	}
	for {
		challenge, done, err := server.Next(response)
		if err != nil {
			return a.failed(err)
		}
		if done {
			return saidProven
		}
		var r reply
		response, r = a.ask(challenge)
		if !r.ok() {
			return r
		}
	}
}

// failed is the reply to an exchange that failed.
func (a *authentication) failed(err error) reply {
	if len(a.failure.lines) > 0 {
		return a.failure
	}
	a.session.logRefusal("AUTH", reason.New(reason.AuthFailed, "%w", err), "")
	return a.session.wrong(errBadAuth)
}

// ask sends a challenge and reads the response.
func (a *authentication) ask(challenge []byte) ([]byte, reply) {
	s := a.session
	s.answer(say(334, reason.Enhanced{}, base64.StdEncoding.EncodeToString(challenge)))
	line, err := s.line()
	switch {
	case errors.Is(err, errLineForm), errors.Is(err, errLineLong):
		return nil, s.wrong(errBadAuth)
	case err != nil:
		s.lost(err)
		s.gone = true
		return nil, reply{}
	case line == "*":
		return nil, s.wrong(errCancelled)
	}
	response, ok := []byte{}, true
	if line != "" {
		response, ok = decode(line)
	}
	if !ok {
		return nil, s.wrong(errBadAuth)
	}
	return response, saidOK
}

func decode(s string) ([]byte, bool) {
	if s == "=" {
		return []byte{}, true
	}
	b, err := base64.StdEncoding.DecodeString(s)
	return b, err == nil
}

// login brings an attempt before the backend.
func (a *authentication) login(attempt login.Attempt) (letIn func(), err error) {
	proven, err := a.policy.backend.Login(a.session.wire.ctx, attempt)
	if err == nil && proven.Account.IsZero() {
		err = errors.New("authenticated as no account")
	}
	if err != nil {
		a.failure = a.refuse(err)
		return nil, err
	}
	return func() { a.policy.proven = proven }, nil
}

func (a *authentication) verifiers(attempt login.Attempt) (login.Verifiers, error) {
	v, err := a.policy.backend.Verifiers(a.session.wire.ctx, attempt)
	if err != nil {
		a.failure = a.refuse(err)
	}
	return v, err
}

// refuse answers a failure to authenticate: late, and the last time for good.
func (a *authentication) refuse(err error) reply {
	s := a.session
	s.logRefusal("AUTH", err, "")
	code := reason.Of(err)
	switch {
	case code != reason.AuthFailed && code.Outcome().Retry:
		return s.wrong(errLater)
	case code != reason.AuthFailed:
		return s.wrong(refusal(err, ""))
	}
	a.failures++
	s.wire.linger(time.Duration(a.failures) * s.opts.AuthDelay)
	if a.failures >= maxAuthFailures {
		s.gone = true
	}
	return refusal(err, "") // EP-6
}
