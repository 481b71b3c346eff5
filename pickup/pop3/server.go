package pop3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"postern/internal/admit"
	"postern/pickup/door"
)

// A Server serves POP3. Use New.
type Server struct {
	backend Backend
	options Options
	gate    *door.Gate
	sizes   sizes
	errors  atomic.Uint64 // commands that were no good, and wrong passwords

	group   admit.Group
	ctx     context.Context // ends when sessions must
	cancel  context.CancelFunc
	running sync.WaitGroup // goroutines of connections
}

// New returns a server that lets in the users of b.
func New(b Backend, o Options) *Server {
	o = o.withDefaults()
	s := &Server{backend: b, options: o, gate: door.NewGate("pop3", o.Connections, o.ConnectionsPerIP, o.ConnectionRate)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// errClosed is returned by Serve after Shutdown.
var errClosed = errors.New("the server is closed")

// Serve accepts connections from ln until Shutdown, and then returns nil. When ctx
// ends, listener and sessions are closed without ado. Serve may be called for several
// listeners; it closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	if s.options.Implicit && s.options.TLS == nil {
		return errors.New("serving POP3: implicit TLS needs a TLS configuration")
	}
	done, ok := s.group.Listen(context.WithoutCancel(ctx), ln)
	if !ok {
		return fmt.Errorf("serving POP3: %w", errClosed)
	}
	defer done()
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	for {
		c, err := admit.Accept(ln, s.ctx.Done())
		if err != nil {
			if s.group.Closing() {
				return nil
			}
			return fmt.Errorf("serving POP3: %w", err)
		}
		counted := s.gate.Admit(c)
		if counted == nil {
			_ = c.Close()
			continue
		}
		s.begin(counted)
	}
}

// begin serves a connection in a goroutine of its own.
func (s *Server) begin(c *door.Conn) {
	session := s.newSession(c)
	if !s.group.Add(session) {
		session.cancel()
		_ = c.Close()
		return
	}
	s.running.Go(func() {
		defer s.group.Remove(session)
		session.serve()
	})
}

// Shutdown stops accepting, lets every session end the command it is at, and waits
// for them: for none on which nothing moves, longer than door.Farewell. When ctx ends
// first, the remaining connections are closed and its error is returned. A session that
// has not said QUIT by then removes nothing.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.group.Shutdown(ctx)
	s.cancel()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("shutting down POP3: %w", err)
	}
	return nil
}

// abort closes everything at once.
func (s *Server) abort() {
	s.group.Drain()
	s.cancel()
}

// Stats is what a server has done since its start.
type Stats struct {
	Connections int    // at the moment
	TurnedAway  uint64 // connections above a limit
	Errors      uint64 // commands that were no good, and wrong passwords
}

// Stats returns what the server does.
func (s *Server) Stats() Stats {
	return Stats{s.group.Len(), s.gate.TurnedAway(), s.errors.Load()}
}
