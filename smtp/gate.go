package smtp

import (
	"context"
	"net"
	"time"

	"postern/internal/admit"
	"postern/trust/reason"
)

// admit registers a connection, or returns nil when it is one too many.
func (s *Server) admit(ctx context.Context, conn net.Conn) *wire {
	remote := admit.AddrPort(conn.RemoteAddr())
	client := admit.Client(remote.Addr())
	if !s.arrivals.Take(time.Now(), client) {
		return nil
	}
	leave, ok := s.gate.Enter(client)
	if !ok {
		return nil
	}
	w := &wire{Conn: conn, remote: remote, stats: &s.stats, opts: &s.opts, drained: make(chan struct{})}
	w.ctx, w.cancel = context.WithCancel(ctx)
	w.closed = func() {
		w.cancel()
		leave()
	}
	if !s.group.Add(w) {
		w.closed()
		return nil
	}
	return w
}

// turnAway answers 421 4.3.2 (RFC 3463 §3.4) in clear. The socket's buffer is
// empty, so the write does not wait. Behind implicit TLS the client would not
// understand it. It is logged once a minute for a client, which could fill a disk
// otherwise.
func (s *Server) turnAway(conn net.Conn) {
	s.stats.turnedAway.Add(1)
	client := admit.Client(admit.AddrPort(conn.RemoteAddr()).Addr())
	if s.told.Take(time.Now(), client) {
		s.opts.Log.Warn("connections turned away", "client", client, "reason", reason.Busy)
	}
	if !s.opts.Implicit {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write([]byte("421 4.3.2 " + s.opts.Hostname + " has too many connections, try again later\r\n"))
	}
	conn.Close()
}
