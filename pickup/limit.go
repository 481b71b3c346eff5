package pickup

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"postern/internal/admit"
)

// refusedAtOnce is how many connections over a limit may wait for their BYE;
// beyond it they are closed without a word.
const refusedAtOnce = 32

// A gate lets connections in up to the server's limits, and a few more that are
// only told so.
type gate struct {
	inside, refused admit.Gate
	arrivals, told  admit.Meter[netip.Prefix] // connections a minute; what was logged of those refused
	turnedAway      atomic.Uint64
}

// admit counts a connection in, or says why it is to be told BYE. It returns
// nil when the connection should just be closed.
func (g *gate) admit(c net.Conn) *countedConn {
	ip := admit.AddrPort(c.RemoteAddr()).Addr()
	counted := &countedConn{Conn: c, ip: ip}
	if !g.arrivals.Take(time.Now(), admit.Client(ip)) {
		g.turnedAway.Add(1)
		return nil
	}
	ok := false
	counted.leave, ok = g.inside.Enter(admit.Client(ip))
	if ok {
		return counted
	}
	g.turnedAway.Add(1)
	counted.leave, ok = g.refused.Enter(admit.Client(ip))
	if ok {
		counted.over = "Too many connections, or too many from your address"
		return counted
	}
	return nil
}

// log says that a client was refused, once a minute for each: it could fill a
// disk otherwise.
func (g *gate) log(log *slog.Logger, c *countedConn) {
	client := admit.Client(c.ip)
	if g.told.Take(time.Now(), client) {
		log.Warn("imap connections refused", "client", client, "reason", c.over)
	}
}

// A countedConn leaves its gate when it is closed.
type countedConn struct {
	net.Conn
	ip    netip.Addr
	over  string // why it is refused; "" if it is not
	leave func() // may be called again
}

func (c *countedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// A gatedListener hands out admitted connections, each with a front.
type gatedListener struct {
	net.Listener
	gate *gate
}

func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err // bare: net.ErrClosed ends Serve quietly
		}
		cc := l.gate.admit(c)
		if cc == nil {
			c.Close()
			continue
		}
		return newFront(cc), nil
	}
}
