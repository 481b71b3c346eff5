package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"postern/internal/admit"
)

// A Server takes messages on behalf of a backend. NewSubmission and NewBackbone
// make one.
type Server struct {
	opts    ServerOptions
	equip   func(*session) // gives a session its policy
	needTLS bool           // no session is of use without it
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
	s.equip = func(c *session) {
		p := &submission{backend: b}
		c.policy, c.auth = p, &authentication{session: c, policy: p}
	}
	return s
}

// NewBackbone returns a server for other STAs: no authentication, STARTTLS if
// there is a TLS configuration, and recipients of ours only (CP-26).
func NewBackbone(b BackboneBackend, o ServerOptions) *Server {
	s := newServer(o)
	s.equip = func(c *session) { c.policy = &backbone{backend: b} }
	return s
}

func newServer(o ServerOptions) *Server {
	s := &Server{opts: o.withDefaults()}
	s.gate.Total, s.gate.Each = s.opts.Connections, s.opts.ConnectionsPerIP
	s.arrivals.Burst, s.arrivals.Per = s.opts.ConnectionRate, time.Minute
	s.told.Burst, s.told.Per = 1, time.Minute
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
	err := s.accept(context.WithoutCancel(ctx), l, ctx.Done())
	if s.group.Closing() {
		return nil
	}
	return fmt.Errorf("accepting connections: %w", err)
}

// accept serves connections until the listener fails for good, or done is closed.
func (s *Server) accept(ctx context.Context, l net.Listener, done <-chan struct{}) error {
	for {
		conn, err := admit.Accept(l, done)
		if err != nil {
			return err
		}
		w := s.admit(ctx, conn)
		if w == nil {
			s.turnAway(conn)
			continue
		}
		go newSession(s, w).run()
	}
}

// severance is how long a backend may go on with a connection that was cut.
const severance = 5 * time.Second

// Shutdown stops listening, ends idle sessions with 421 and waits for running
// transfers, as long as they move. When ctx ends first the remaining connections are
// cut, and its error is returned when the backend has ended what it did for them, which
// is told to, or after severance.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.group.Shutdown(ctx)
	if err != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), severance)
		defer cancel()
		_ = s.group.Shutdown(late)
		return fmt.Errorf("waiting for running transfers: %w", err)
	}
	return nil
}
