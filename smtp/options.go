package smtp

import (
	"cmp"
	"crypto/tls"
	"log/slog"
	"time"
)

// Defaults of ServerOptions.
const (
	DefaultMessageBytes     = 50 << 20
	DefaultRecipients       = 100 // RFC 5321 §4.5.3.1.8 asks for at least 100
	DefaultConnections      = 200
	DefaultConnectionsPerIP = 100
	DefaultCommandIdle      = 5 * time.Minute // RFC 5321 §4.5.3.2.7
	DefaultDataTime         = 30 * time.Minute
	DefaultMinRate          = 1024
	DefaultAuthDelay        = time.Second
	DefaultErrorDelay       = time.Second
)

// ServerOptions says how a server behaves. A zero value takes the default.
type ServerOptions struct {
	Hostname string // the name in the greeting; "localhost" if empty
	// TLS is offered by STARTTLS, or spoken from the first octet if Implicit is
	// set (RFC 8314 §3.3). Submission needs it.
	TLS      *tls.Config
	Implicit bool

	MessageBytes     int64 // the largest message accepted, in octets, line ends included
	Recipients       int   // recipients of one message
	Connections      int   // connections at a time; the next is told 421
	ConnectionsPerIP int   // the same for one IPv4 address or IPv6 /64
	ConnectionRate   int   // connections a minute from one IPv4 address or IPv6 /64; 0 is no limit

	CommandIdle time.Duration // wait for a whole command line, and for the next octet of a message
	DataTime    time.Duration // wall clock for the transfer of a message
	// MinRate is the octets per second a transfer must keep up, counted from
	// CommandIdle after its start.
	MinRate int64
	// AuthDelay is how long the answer to a first wrong password waits. Each
	// further one on the connection waits as much longer; the third is the last.
	AuthDelay time.Duration
	// ErrorDelay is how much longer the answer after a fourth and each further
	// error waits: refused senders, recipients and messages, and commands without
	// end that do nothing for a message. It grows to ten times as much, and the
	// 51st error on a connection is the last.
	ErrorDelay time.Duration

	Log *slog.Logger // discarded if nil
}

func (o ServerOptions) withDefaults() ServerOptions {
	o.Hostname = cmp.Or(o.Hostname, "localhost")
	o.MessageBytes = cmp.Or(o.MessageBytes, DefaultMessageBytes)
	o.Recipients = cmp.Or(o.Recipients, DefaultRecipients)
	o.Connections = cmp.Or(o.Connections, DefaultConnections)
	o.ConnectionsPerIP = cmp.Or(o.ConnectionsPerIP, DefaultConnectionsPerIP)
	o.CommandIdle = cmp.Or(o.CommandIdle, DefaultCommandIdle)
	o.DataTime = cmp.Or(o.DataTime, DefaultDataTime)
	o.MinRate = cmp.Or(o.MinRate, DefaultMinRate)
	o.ErrorDelay = cmp.Or(o.ErrorDelay, DefaultErrorDelay)
	o.AuthDelay = cmp.Or(o.AuthDelay, DefaultAuthDelay)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}
