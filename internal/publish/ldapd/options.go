package ldapd

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"
)

// Defaults of Options.
const (
	DefaultConnections      = 200
	DefaultConnectionsPerIP = 50
	DefaultIdle             = 30 * time.Second
	DefaultMessageTime      = 10 * time.Second
	DefaultRate             = 200
)

// Options says how a server behaves. A zero value takes the default.
type Options struct {
	// TLS is for StartTLS (RFC 4511 §4.14), which is refused without it. What is
	// served is public either way.
	TLS *tls.Config

	// Connections at a time. The next is told busy, or takes the place of the one
	// that was answered the longest time ago of a client with more than its own.
	Connections      int
	ConnectionsPerIP int // the same for one IPv4 address or IPv6 /64, whose next is told busy

	Idle time.Duration // wait for the first octet of a request
	// MessageTime is for a request from its first octet to its last, and as long
	// again for a TLS handshake, and for the client to take an answer.
	MessageTime time.Duration
	// Rate is the requests a second of one IPv4 address or IPv6 /64 over all of
	// its connections. Twice as many, and at least 32, may come at once after
	// a pause. A search for several mail values counts as so many.
	Rate int

	Log *slog.Logger // discarded if nil; what is searched for is not logged
}

func (o Options) withDefaults() Options {
	o.Connections = cmp.Or(o.Connections, DefaultConnections)
	o.ConnectionsPerIP = cmp.Or(o.ConnectionsPerIP, DefaultConnectionsPerIP)
	o.Idle = cmp.Or(o.Idle, DefaultIdle)
	o.MessageTime = cmp.Or(o.MessageTime, DefaultMessageTime)
	o.Rate = cmp.Or(o.Rate, DefaultRate)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
