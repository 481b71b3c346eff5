package ldapd

import (
	"context"
	"fmt"
	"net"
	"time"

	"postern/internal/admit"
	"postern/internal/publish"
)

// A Server answers for the directory of a Source. New makes one.
type Server struct {
	opts    Options
	forest  forest
	gate    admit.Gate
	limiter admit.Limiter
	group   admit.Group
	stats   counters
}

// New returns a server of what the source publishes.
func New(source publish.Source, o Options) *Server {
	o = o.withDefaults()
	s := &Server{opts: o, forest: forest{source: source}}
	s.gate.Total, s.gate.Each = o.Connections, o.ConnectionsPerIP
	s.limiter.Rate, s.limiter.Burst = o.Rate, max(2*o.Rate, maxMails)
	return s
}

// Serve answers connections of l until ctx is done or Shutdown is called, closes
// l and returns nil; or the error of l. It may be called for several listeners.
// When ctx is done connections are ended as by Shutdown, which waits for them.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	l = s.gate.Listen(l, s.turnAway)
	done, ok := s.group.Listen(ctx, l)
	if !ok {
		return nil
	}
	defer done()
	for {
		socket, err := l.Accept()
		switch {
		case err == nil:
			s.begin(context.WithoutCancel(ctx), socket)
		case s.group.Closing():
			return nil
		default:
			return fmt.Errorf("accepting connections: %w", err)
		}
	}
}

// begin answers a connection, unless the server stops.
func (s *Server) begin(ctx context.Context, socket net.Conn) {
	c := newConn(ctx, s, socket)
	if !s.group.Add(c) {
		c.Cut()
		return
	}
	s.stats.connections.Add(1)
	go c.serve()
}

// turnAway sends a notice. The socket's buffer is empty, so the write does not
// wait.
func (s *Server) turnAway(socket net.Conn) {
	s.stats.turnedAway.Add(1)
	s.opts.Log.Debug("directory connection turned away", "remote", socket.RemoteAddr().String())
	socket.SetWriteDeadline(time.Now().Add(time.Second))
	socket.Write(notice(result{busy, "too many connections, try again later"}))
	socket.Close()
}

// Shutdown stops listening, lets requests under way be answered and ends all
// connections with a Notice of Disconnection. When ctx ends first the remaining
// connections are cut, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.group.Shutdown(ctx)
	if err != nil {
		return fmt.Errorf("waiting for requests under way: %w", err)
	}
	return nil
}
