package pickup

import (
	"crypto/tls"
	"errors"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"postern/internal/login"
)

// client is the connection as backends see it.
func (s *session) client() login.Client {
	c := login.Client{Service: login.IMAP, Remote: s.net.IP, Config: s.server.options.TLS}
	secured, ok := s.front.Conn.(*tls.Conn)
	if ok {
		state := secured.ConnectionState()
		c.TLS = &state
	}
	return c
}

// AuthenticateMechanisms implements imapserver.SessionSASL.
func (s *session) AuthenticateMechanisms() []string {
	return s.client().Mechanisms(s.server.backend.Offers(s.ctx))
}

// Authenticate implements imapserver.SessionSASL.
func (s *session) Authenticate(mechanism string) (sasl.Server, error) {
	server, err := login.Exchange{
		Client: s.client(), Offer: s.server.backend.Offers(s.ctx),
		Login: s.login, Verifiers: s.verifiers,
	}.Server(mechanism)
	if err != nil {
		return nil, no(imap.ResponseCodeCannot, "The mechanism is not offered")
	}
	return replySASL{server}, nil
}

func (s *session) verifiers(a login.Attempt) (login.Verifiers, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.server.backend.Verifiers(s.ctx, a)
	if err != nil {
		return v, s.failed(err)
	}
	return v, nil
}

// A replySASL lets no error reach the client but our responses.
type replySASL struct{ sasl.Server }

// Next implements sasl.Server.
func (r replySASL) Next(response []byte) (challenge []byte, done bool, err error) {
	challenge, done, err = r.Server.Next(response)
	if errors.Is(err, login.ErrMalformed) {
		err = bad("Malformed authentication")
	}
	if len(challenge) == 0 {
		challenge = nil // the library writes any other as "=", which is for initial responses alone (RFC 4959 §3)
	}
	return challenge, done, err
}
