package pickup

import (
	"crypto/tls"
	"log/slog"
	"time"
)

// Options configure a Server. The zero value of a limit is its default.
type Options struct {
	// TLS is the server's TLS configuration. Without it nobody can log in.
	TLS *tls.Config
	// Implicit makes TLS start with the connection (RFC 8314 §3.2), instead of
	// with STARTTLS.
	Implicit bool
	// Log takes events without content, names of mailboxes or passwords; nil
	// discards them.
	Log *slog.Logger

	Connections      int   // open at once; default 1000
	ConnectionsPerIP int   // open at once from one IPv4 address or IPv6 /64; default 50
	ConnectionRate   int   // a minute from one IPv4 address or IPv6 /64; 0 is no limit
	LoginAttempts    int   // that may fail on a connection before it ends; default 3
	AppendLimit      int64 // octets of an appended message (RFC 7889); default 50 MiB; between 4096 and 4 GiB - 1
	Mailboxes        int   // of one user, for CREATE; default 1000
	// Handshake bounds the TLS handshake; default 10s.
	Handshake time.Duration
	// LoginTime is how long a connection may take to log in, from TLS on; default 1m.
	LoginTime time.Duration
	// AuthDelay is how long the answer to a first wrong password waits; each
	// further one on the connection waits as much longer. Default 1s.
	AuthDelay time.Duration
	// ErrorDelay is how much longer the next command waits after a sixth and each
	// further one that was answered BAD, up to ten times as much. The 51st ends the
	// connection. Default 1s.
	ErrorDelay time.Duration
	// Search bounds the time of one SEARCH; default 30s.
	Search time.Duration
	// Recheck is how often it is asked, while a client idles, whether its login is
	// still good; default 30s.
	Recheck time.Duration
}

const maxAppendLimit = 1<<32 - 1 // RFC 7889 §3: a 32-bit number

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Connections = orDefault(o.Connections, 1000)
	o.ConnectionsPerIP = orDefault(o.ConnectionsPerIP, 50)
	o.LoginAttempts = orDefault(o.LoginAttempts, 3)
	o.AppendLimit = min(max(orDefault(o.AppendLimit, 50<<20), maxNonSync), maxAppendLimit)
	o.Mailboxes = orDefault(o.Mailboxes, 1000)
	o.Handshake = orDefault(o.Handshake, 10*time.Second)
	o.LoginTime = orDefault(o.LoginTime, time.Minute)
	o.AuthDelay = orDefault(o.AuthDelay, time.Second)
	o.ErrorDelay = orDefault(o.ErrorDelay, time.Second)
	o.Search = orDefault(o.Search, 30*time.Second)
	o.Recheck = orDefault(o.Recheck, 30*time.Second)
	return o
}

func orDefault[T int | int64 | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}
