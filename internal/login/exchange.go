package login

import (
	"errors"
	"fmt"
	"slices"

	"github.com/emersion/go-sasl"
)

// Names of mechanisms beside those of the library.
const (
	ScramSHA256     = "SCRAM-SHA-256"      // RFC 7677
	ScramSHA256Plus = "SCRAM-SHA-256-PLUS" // with the channel that it goes over
)

// maxResponse bounds what a client says at once, in octets. A user name and a
// password of the longest fit.
const maxResponse = 4096

// Mechanisms are what is offered to a client, the ones that say the least of a secret
// last, because old clients take the first that they know. Nothing is offered in
// clear (RFC 8314 §3.3), and EXTERNAL only to a client with a certificate.
func (c Client) Mechanisms(o Offer) []string {
	if c.TLS == nil {
		return nil
	}
	all := []string{sasl.Plain, sasl.Login}
	if o.Scram {
		all = append(all, ScramSHA256)
		if o.Plus && len(c.bindings()) > 0 {
			all = append(all, ScramSHA256Plus)
		}
	}
	if len(c.TLS.PeerCertificates) > 0 {
		all = append(all, sasl.External)
	}
	return all
}

// An Exchange is one attempt to get in by SASL. What its functions return as errors
// reaches the caller of the mechanism as it is; any other error wraps ErrMalformed.
type Exchange struct {
	Client Client
	// Offer is that of the Backend.
	Offer Offer
	// Login decides. What it returns without an error lets the connection in: it is
	// called when the exchange comes to its good end, which with SCRAM is later and may
	// never be.
	Login func(Attempt) (letIn func(), err error)
	// Verifiers is that of the Backend.
	Verifiers func(Attempt) (Verifiers, error)
}

// Server returns the server's end of a mechanism, by its name in upper case.
// ErrMechanism.
func (x Exchange) Server(mechanism string) (sasl.Server, error) {
	if !slices.Contains(x.Client.Mechanisms(x.Offer), mechanism) {
		return nil, ErrMechanism
	}
	e := &exchange{Exchange: x}
	switch mechanism {
	case sasl.Plain:
		e.server = sasl.NewPlainServer(e.plain)
	case sasl.Login:
		e.server = &loginServer{login: e.password}
	case sasl.External:
		e.server = sasl.NewExternalServer(e.external)
	default:
		e.server = &scramServer{exchange: e, plus: mechanism == ScramSHA256Plus}
	}
	return e, nil
}

// An exchange tells the errors of a mechanism from those of the backend.
type exchange struct {
	Exchange
	server  sasl.Server
	letIn   func()
	decided error // of the backend
}

// Next implements sasl.Server.
func (e *exchange) Next(response []byte) (challenge []byte, done bool, err error) {
	if len(response) > maxResponse {
		return nil, false, fmt.Errorf("%w: more than %d octets", ErrMalformed, maxResponse)
	}
	challenge, done, err = e.server.Next(response)
	switch {
	case err == nil && done:
		e.letIn()
		return challenge, true, nil
	case err == nil:
		return challenge, false, nil
	case e.decided != nil:
		return nil, false, e.decided
	case errors.Is(err, ErrMalformed):
		return nil, false, err
	}
	return nil, false, fmt.Errorf("%w: %w", ErrMalformed, err)
}

func (e *exchange) login(a Attempt) error {
	a.Client = e.Client
	e.letIn, e.decided = e.Login(a)
	return e.decided
}

// plain refuses to act for someone else than the one who authenticates (RFC 4616 §2),
// as a wrong password: the backend has the attempt without one.
func (e *exchange) plain(identity, user, password string) error {
	if identity != "" && identity != user {
		password = ""
	}
	return e.password(user, password)
}

func (e *exchange) password(user, password string) error {
	return e.login(Attempt{Method: Password, User: user, Secret: password})
}

func (e *exchange) external(identity string) error {
	return e.login(Attempt{Method: Certificate, User: identity})
}
