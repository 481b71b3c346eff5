package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"postern/internal/admit"
)

// A Server takes messages on behalf of a backend. NewSubmission and NewBackbone
// make one.
type Server struct {
	opts    ServerOptions
	lib     *gosmtp.Server
	needTLS bool // no session is of use without it
	gate    admit.Gate
	group   admit.Group
	// Connections a minute, and what was logged of those turned away.
	arrivals, told admit.Meter[netip.Prefix]
	stats          stats
}

// stats are counted for Stats.
type stats struct{ turnedAway, errors, hungUp atomic.Uint64 }

// Stats is what a server has done since its start.
type Stats struct {
	Connections int    // at the moment
	TurnedAway  uint64 // connections above a limit
	Errors      uint64 // refusals, and commands for nothing beyond those allowed
	HungUp      uint64 // connections ended for too many errors
}

// Stats returns what the server does.
func (s *Server) Stats() Stats {
	return Stats{s.group.Len(), s.stats.turnedAway.Load(), s.stats.errors.Load(), s.stats.hungUp.Load()}
}

// NewSubmission returns a server for the accounts (RFC 6409): AUTH under TLS is
// required before MAIL.
func NewSubmission(b SubmissionBackend, o ServerOptions) *Server {
	s := newServer(o)
	s.needTLS = true
	s.lib.Backend = gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		p := &submission{backend: b}
		session, err := newSession(s, c, p)
		if err != nil {
			return nil, err
		}
		return &submissionSession{session: session, submission: p}, nil
	})
	return s
}

// NewBackbone returns a server for other STAs: no authentication, STARTTLS if
// there is a TLS configuration, and recipients of ours only (CP-26).
func NewBackbone(b BackboneBackend, o ServerOptions) *Server {
	s := newServer(o)
	s.lib.Backend = gosmtp.BackendFunc(func(c *gosmtp.Conn) (gosmtp.Session, error) {
		session, err := newSession(s, c, &backbone{backend: b})
		if err != nil {
			return nil, err
		}
		return session, nil
	})
	return s
}

func newServer(o ServerOptions) *Server {
	s := &Server{opts: o.withDefaults()}
	s.gate.Total, s.gate.Each = s.opts.Connections, s.opts.ConnectionsPerIP
	s.arrivals.Burst, s.arrivals.Per = s.opts.ConnectionRate, time.Minute
	s.told.Burst, s.told.Per = 1, time.Minute
	s.lib = gosmtp.NewServer(nil)
	s.lib.Domain = s.opts.Hostname
	s.lib.MaxRecipients = s.opts.Recipients
	// The library refuses a message of exactly its limit, so it gets one octet
	// more and the intake counts exactly.
	s.lib.MaxMessageBytes = s.opts.MessageBytes + 1
	// Long lines of a message are refused by the intake, which can go on with
	// the session; the length of a command is bounded by the wire.
	s.lib.MaxLineLength = 0
	s.lib.ReadTimeout = s.opts.CommandIdle
	s.lib.WriteTimeout = s.opts.CommandIdle
	s.lib.ErrorLog = &libraryLog{s.opts.Log}
	if !s.opts.Implicit {
		s.lib.TLSConfig = s.opts.TLS
	}
	return s
}

// ErrNoTLS is returned by Serve for a server that cannot work without a TLS
// configuration and has none.
var ErrNoTLS = errors.New("the server needs a TLS configuration")

// Serve answers connections of l until ctx is done or Shutdown is called, closes
// l and returns nil; or the error of l. It may be called for several listeners.
// When ctx is done idle sessions are ended and transfers may end, as by
// Shutdown, which waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if s.opts.TLS == nil && (s.needTLS || s.opts.Implicit) {
		l.Close()
		return ErrNoTLS
	}
	done, ok := s.group.Listen(ctx, l)
	if !ok {
		return nil
	}
	defer done()
	var accept net.Listener = &gate{Listener: l, server: s, ctx: context.WithoutCancel(ctx)}
	if s.opts.Implicit {
		accept = tls.NewListener(accept, s.opts.TLS)
	}
	err := s.lib.Serve(accept)
	if s.group.Closing() {
		return nil
	}
	return fmt.Errorf("accepting connections: %w", err)
}

// Shutdown stops listening, ends idle sessions with 421 and waits for running
// transfers. When ctx ends first the remaining connections are cut, and its
// error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.group.Shutdown(ctx)
	if err != nil {
		return fmt.Errorf("waiting for running transfers: %w", err)
	}
	return nil
}
