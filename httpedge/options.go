package httpedge

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Options configure a Server. The zero value of a limit is its default.
type Options struct {
	// TLS is the server's TLS configuration; without it nothing is served.
	TLS *tls.Config
	// Log takes events without content, queries or tokens; nil discards them.
	Log *slog.Logger

	MessageBytes     int64 // of one message; default 36 MiB
	Recipients       int   // of one message; default 100
	Connections      int   // open at once; default 500
	ConnectionsPerIP int   // open at once from one IPv4 address or IPv6 /64; default 50
	ConnectionRate   int   // a minute from one IPv4 address or IPv6 /64; 0 is no limit
	Requests         int   // at once of one account; default 16
	Lookups          int   // a minute of one account, and recipients of its messages that are refused; default 60
	AuthFailures     int   // on a connection before it ends; default 3
	// JSONMemory bounds what messages that come and go within JSON may take of memory,
	// all together, in octets; others wait for it. Three quarters are for those that come,
	// and of these a quarter, but at least twice MessageBytes, for those of one account;
	// one quarter is for those that are shown. Default 256 MiB.
	JSONMemory int64

	// AuthDelay is how long the answer to a first wrong token waits; each further one on
	// the connection waits as much longer. Default 1s.
	AuthDelay time.Duration
	// HeaderTime bounds the TLS handshake and the header of a request; default 10s.
	HeaderTime time.Duration
	// Silence is how long a client may neither send nor take anything while a body is on
	// its way; default 30s.
	Silence time.Duration
	// BodyTime bounds the transfer of a whole body; default 30m.
	BodyTime time.Duration
	// Idle is how long a connection may wait for its next request; default 2m.
	Idle time.Duration
	// Wait bounds how long a list waits for news; default 1m.
	Wait time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.MessageBytes = orDefault(o.MessageBytes, 36<<20)
	o.Recipients = orDefault(o.Recipients, 100)
	o.Connections = orDefault(o.Connections, 500)
	o.ConnectionsPerIP = orDefault(o.ConnectionsPerIP, 50)
	o.Requests = orDefault(o.Requests, 16)
	o.Lookups = orDefault(o.Lookups, 60)
	o.AuthFailures = orDefault(o.AuthFailures, 3)
	o.JSONMemory = orDefault(o.JSONMemory, 256<<20)
	o.AuthDelay = orDefault(o.AuthDelay, time.Second)
	o.HeaderTime = orDefault(o.HeaderTime, 10*time.Second)
	o.Silence = orDefault(o.Silence, 30*time.Second)
	o.BodyTime = orDefault(o.BodyTime, 30*time.Minute)
	o.Idle = orDefault(o.Idle, 2*time.Minute)
	o.Wait = orDefault(o.Wait, time.Minute)
	return o
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
