package pop3

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Options configure a Server. The zero value of a limit is its default.
type Options struct {
	// TLS is the server's TLS configuration. Without it nobody can log in.
	TLS *tls.Config
	// Implicit makes TLS start with the connection (RFC 8314 §3.3), instead of with
	// STLS.
	Implicit bool
	// Log takes events without content or passwords; nil discards them.
	Log *slog.Logger

	Connections      int // open at once; default 1000
	ConnectionsPerIP int // open at once from one IPv4 address or IPv6 /64; default 50
	ConnectionRate   int // a minute from one IPv4 address or IPv6 /64; 0 is no limit
	LoginAttempts    int // that may fail on a connection before it ends; default 3
	// Handshake bounds the TLS handshake; default 10s.
	Handshake time.Duration
	// LoginTime is how long a connection may take to log in, from TLS on, and how
	// long it may take to begin TLS; default 1m.
	LoginTime time.Duration
	// AuthDelay is how long the answer to a first wrong password waits; each further
	// one on the connection waits as much longer. Default 1s.
	AuthDelay time.Duration
	// ErrorDelay is how much longer the next command waits after a sixth and each
	// further one that was no good, up to ten times as much. The 51st ends the
	// connection. Default 1s.
	ErrorDelay time.Duration
	// Idle is how long a client that is logged in may take to send a command; default
	// 10m, the least that RFC 1939 §3 allows.
	Idle time.Duration
	// WriteTime is how long a client may take to read 32 KiB; default 1m.
	WriteTime time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Connections = orDefault(o.Connections, 1000)
	o.ConnectionsPerIP = orDefault(o.ConnectionsPerIP, 50)
	o.LoginAttempts = orDefault(o.LoginAttempts, 3)
	o.Handshake = orDefault(o.Handshake, 10*time.Second)
	o.LoginTime = orDefault(o.LoginTime, time.Minute)
	o.AuthDelay = orDefault(o.AuthDelay, time.Second)
	o.ErrorDelay = orDefault(o.ErrorDelay, time.Second)
	o.Idle = orDefault(o.Idle, 10*time.Minute)
	o.WriteTime = orDefault(o.WriteTime, time.Minute)
	return o
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
