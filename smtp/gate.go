package smtp

import (
	"context"
	"net"
	"net/netip"
	"time"

	"postern/trust/reason"
)

// A gate lets connections in up to the server's limits. Those above are told so
// at once rather than left waiting.
type gate struct {
	net.Listener
	server *Server
	ctx    context.Context
}

// Accept returns the next connection within the limits.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := g.server.admit(g.ctx, conn)
		if w != nil {
			return w, nil
		}
		g.server.turnAway(conn)
	}
}

// admit registers a connection, or returns nil when it is one too many.
func (s *Server) admit(ctx context.Context, conn net.Conn) *wire {
	remote := addrPort(conn.RemoteAddr())
	from := neighbourhood(remote.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.wires) >= s.opts.Connections || s.perIP[from] >= s.opts.ConnectionsPerIP {
		return nil
	}
	w := &wire{Conn: conn, remote: remote, opts: &s.opts, closed: s.leave}
	w.ctx, w.cancel = context.WithCancel(ctx)
	s.wires[w] = struct{}{}
	s.perIP[from]++
	s.running.Add(1)
	return w
}

func (s *Server) leave(w *wire) {
	from := neighbourhood(w.remote.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.wires, w)
	s.perIP[from]--
	if s.perIP[from] == 0 {
		delete(s.perIP, from)
	}
	s.running.Done()
}

// turnAway answers 421 4.3.2 (RFC 3463 §3.4) in clear. The socket's buffer is
// empty, so the write does not wait. Behind implicit TLS the client would not
// understand it.
func (s *Server) turnAway(conn net.Conn) {
	s.opts.Log.Warn("connection turned away", "remote", conn.RemoteAddr().String(), "reason", reason.Busy)
	if !s.opts.Implicit {
		conn.SetWriteDeadline(time.Now().Add(time.Second))
		conn.Write([]byte("421 4.3.2 " + s.opts.Hostname + " has too many connections, try again later\r\n"))
	}
	conn.Close()
}

func addrPort(a net.Addr) netip.AddrPort {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := tcp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// neighbourhood is what counts as one client: an IPv4 address, an IPv6 /64.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{} // not TCP: all are one
	}
	return p
}
