// Package login is how somebody gets in, the same for every edge: what a client
// shows (Attempt), who decides (Backend), what is proven then (Grant), and the
// mechanisms of SASL between a connection and both (RFC 4422).
//
// A server makes one Client of each connection once it is under TLS, offers
// Client.Mechanisms, and for AUTH or AUTHENTICATE runs the server that
// Exchange.Server gives. For a user name and a password in commands of the protocol
// itself, such as USER and PASS, it asks the backend with an Attempt of the method
// Password. Delays, counts and limits of a connection are the server's: they go into
// the Login of the Exchange, where each exchange is decided, good or bad, but for those
// that are malformed before.
//
// The package knows no socket and no store.
package login

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"slices"

	"postern/mime"
)

// A Service is what a client comes for. An app password is good for some of them.
type Service string

// Services.
const (
	SMTP  Service = "smtp"
	IMAP  Service = "imap"
	POP3  Service = "pop3"
	HTTPS Service = "https"
)

// A Client is a connection that wants to get in.
type Client struct {
	Service Service
	Remote  netip.Addr
	// TLS is the state of the connection's TLS after its handshake; nil is none.
	TLS *tls.ConnectionState
	// Config is the configuration that TLS was begun with. It tells the server's
	// certificate, which channels are bound to (RFC 5929 §4); nil does not.
	Config *tls.Config
}

// A Method is how a client shows who it is.
type Method int

// Methods.
const (
	// Password: Secret is a password or an app password.
	Password Method = iota
	// Scram: the client showed that it knows a secret, which Proved marks (RFC 5802).
	Scram
	// Certificate: the client has the key of its TLS certificate; User is "" or the
	// account that it is for (RFC 4422 appendix A).
	Certificate
	// Token: Secret is a token, and there is no User (RFC 6750).
	Token
)

// String names the method for a log.
func (m Method) String() string {
	switch m {
	case Password:
		return "password"
	case Scram:
		return "scram"
	case Certificate:
		return "certificate"
	case Token:
		return "token"
	}
	return "unknown"
}

// An Attempt is what a client shows. What it gave as a user name may be a password:
// neither is ever logged.
type Attempt struct {
	Client
	Method Method
	User   string
	Secret string
	// Proved is the Mark of the Credential that the client showed to know; "" is
	// none: the exchange ended, and the proof was wrong.
	Proved string
}

// An Offer says whether SCRAM is offered, and whether that with binding to the channel,
// PLUS, is as well. There are clients that take PLUS and cannot bind.
type Offer struct{ Scram, Plus bool }

// A Grant is what was proven.
type Grant struct {
	Account mime.Address
	// Access is the id of the app password, the token or the certificate; "" is the
	// password of the account.
	Access string
	// Scopes are what a token is good for, sorted.
	Scopes []string
	// Proof is the backend's own mark of what was proven. It comes back with every
	// question, so that a login whose account was closed, whose password is another
	// one, or whose access was revoked by then, is told from one that is still good.
	Proof string
}

// May reports whether a token has a scope.
func (g Grant) May(scope string) bool { return slices.Contains(g.Scopes, scope) }

// A Backend decides who gets in; T is what a server is given for who does. Its
// methods are called by many connections at once. Errors carry a reason code where
// the server's own documentation does not say otherwise: AuthFailed, which never
// says what was wrong, is answered late and counted; Busy is to be tried again.
type Backend[T any] interface {
	// Login decides on an attempt. Whatever a client shows is brought before it before
	// the client hears how it was, so that failures of all kinds are counted and recorded.
	Login(ctx context.Context, a Attempt) (T, error)
	// Offers says which mechanisms of SCRAM are offered to clients at the moment.
	Offers(ctx context.Context) Offer
	// Verifiers returns by what the User of an attempt may prove who it is. A user
	// that there is not has some like any other, the same each time, which nobody
	// can prove (RFC 5802 §9).
	Verifiers(ctx context.Context, a Attempt) (Verifiers, error)
}

// Errors of an Exchange that are the client's; its server names them in the terms of
// its protocol.
var (
	// ErrMechanism says that a mechanism is not offered.
	ErrMechanism = errors.New("the mechanism is not offered")
	// ErrMalformed says that a client did not keep to a mechanism's form.
	ErrMalformed = errors.New("malformed authentication")
)
