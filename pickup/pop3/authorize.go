package pop3

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"postern/internal/login"
	"postern/pickup"
)

// needTLS answers who would log in in clear (RFC 8314 §4.1).
const needTLS = "[SYS/PERM] TLS comes first"

// stls begins TLS (RFC 2595 §4).
func (s *session) stls([]string) error {
	switch {
	case s.secure != nil:
		return s.wrong("TLS is on already")
	case s.options.TLS == nil:
		s.say("-ERR [SYS/PERM] There is no TLS")
		return nil
	}
	s.say("+OK Begin TLS")
	err := s.flush()
	if err != nil {
		return err
	}
	return s.secured()
}

// userName takes the name that the next PASS is for. Whether there is a user of that
// name is not told (RFC 1939 §7 lets a server keep that to itself).
func (s *session) userName(args []string) error {
	if s.secure == nil {
		return s.wrong(needTLS)
	}
	s.name = args[0]
	s.say("+OK")
	return nil
}

// password takes a password, which may have spaces.
func (s *session) password(args []string) error {
	switch {
	case s.secure == nil:
		return s.wrong(needTLS)
	case s.name == "":
		return s.wrong("USER comes first")
	}
	name := s.name
	s.name = "" // for one PASS
	letIn, err := s.let(login.Attempt{Client: s.client(), Method: login.Password, User: name, Secret: args[0]})
	if err == nil {
		letIn()
	}
	return s.welcome(err)
}

// client is the connection as the login knows it.
func (s *session) client() login.Client {
	c := login.Client{Service: login.POP3, Remote: s.net.IP}
	if s.secure != nil {
		state := s.secure.ConnectionState()
		c.TLS, c.Config = &state, s.options.TLS
	}
	return c
}

func (s *session) mechanisms(ctx context.Context) []string {
	return s.client().Mechanisms(s.server.backend.Offers(ctx))
}

// auth lets somebody in by SASL (RFC 5034 §4).
func (s *session) auth(args []string) error {
	if s.secure == nil {
		return s.wrong(needTLS)
	}
	x := login.Exchange{
		Client: s.client(), Offer: s.server.backend.Offers(s.ctx), Login: s.let,
		Verifiers: func(a login.Attempt) (login.Verifiers, error) { return s.server.backend.Verifiers(s.ctx, a) },
	}
	mechanism, err := x.Server(strings.ToUpper(args[0]))
	if err != nil {
		return s.wrong("That mechanism is not offered")
	}
	var response []byte
	if len(args) > 1 {
		response, err = decode(args[1])
		if err != nil {
			return s.wrong("That is no base64")
		}
	}
	for {
		challenge, done, err := mechanism.Next(response)
		if errors.Is(err, login.ErrMalformed) {
			return s.wrong("That is not how the mechanism goes")
		}
		if err != nil || done {
			return s.welcome(err)
		}
		s.say("+ %s", base64.StdEncoding.EncodeToString(challenge))
		line, err := s.line(s.deadline())
		switch {
		case errors.Is(err, errLong):
			return s.wrong("The line is too long")
		case err != nil:
			return err
		case bytes.Equal(line, []byte("*")): // RFC 5034 §4
			// Though mutt takes the answer for that to its next command: others wait for it.
			return s.wrong("The exchange is cancelled")
		}
		response, err = base64.StdEncoding.DecodeString(string(line))
		if err != nil {
			return s.wrong("That is no base64")
		}
	}
}

// decode reads an initial response, of which "=" is an empty one (RFC 5034 §4).
func decode(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	return base64.StdEncoding.DecodeString(text)
}

// let asks the backend, and counts what failed.
func (s *session) let(a login.Attempt) (letIn func(), err error) {
	user, err := s.server.backend.Login(s.ctx, a)
	if err != nil {
		s.failures++
		s.server.errors.Add(1)
		// What was given as a user name may be a password, so it is not logged.
		s.log.Info("pop3 login failed", "attempt", s.failures, "wrong", errors.Is(err, pickup.ErrAuthFailed))
		return nil, err
	}
	return func() {
		s.user = user
		s.log = s.log.With("user", a.User, "method", a.Method)
	}, nil
}

// welcome opens the mailbox of who was let in, or says why he was not.
func (s *session) welcome(err error) error {
	if err == nil {
		return s.enter()
	}
	if !errors.Is(err, pickup.ErrAuthFailed) {
		_ = s.fail("login", err)
	} else {
		s.Linger(time.Duration(s.failures) * s.options.AuthDelay)
		s.say("-ERR [AUTH] Wrong user name or password") // RFC 3206 §4
	}
	if s.failures >= s.options.LoginAttempts {
		return errQuit
	}
	return nil
}

// enter begins the TRANSACTION state, or leaves the client where it was.
func (s *session) enter() error {
	box, err := s.user.Take(s.ctx)
	if err == nil {
		s.drop, err = openDrop(s.ctx, box, s.log)
	}
	if err != nil {
		s.user, s.log = nil, s.options.Log.With("remote", s.net.IP)
		return s.fail("open", err)
	}
	s.Until = time.Time{}
	s.log.Info("pop3 login", "messages", len(s.drop.entries))
	s.say("+OK %d messages", len(s.drop.entries))
	return nil
}
