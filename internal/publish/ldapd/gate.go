package ldapd

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// begin lets a connection in, or tells it that it is one too many.
func (s *Server) begin(ctx context.Context, socket net.Conn) {
	c := s.admit(ctx, socket)
	if c == nil {
		s.turnAway(socket)
		return
	}
	s.stats.connections.Add(1)
	go c.serve()
}

// admit registers a connection, or returns nil when it is over a limit.
func (s *Server) admit(ctx context.Context, socket net.Conn) *conn {
	client := neighbourhood(socket.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= s.opts.Connections || s.perIP[client] >= s.opts.ConnectionsPerIP {
		return nil
	}
	c := newConn(ctx, s, client, socket)
	s.conns[c] = struct{}{}
	s.perIP[client]++
	s.running.Add(1)
	return c
}

func (s *Server) leave(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	client := c.session.client
	s.perIP[client]--
	if s.perIP[client] == 0 {
		delete(s.perIP, client)
	}
	s.running.Done()
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

// neighbourhood is what counts as one client: an IPv4 address, an IPv6 /64.
func neighbourhood(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{} // not TCP: all are one
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
