package named

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// A gate lets TCP connections in, up to a number in all and from one client. More
// are closed at once: whoever asks comes again.
type gate struct {
	net.Listener
	total, each int
	wait        time.Duration // for a client to take an answer

	mu    sync.Mutex
	conns map[*guest]struct{}
	perIP map[netip.Prefix]int
}

func newGate(l net.Listener, total, each int, wait time.Duration) *gate {
	return &gate{Listener: l, total: total, each: each, wait: wait,
		conns: make(map[*guest]struct{}), perIP: make(map[netip.Prefix]int)}
}

// Accept returns the next connection within the limits.
func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil { // such as too many open files: some will be closed
			time.Sleep(20 * time.Millisecond)
			return nil, err
		}
		guest := g.admit(conn)
		if guest != nil {
			return guest, nil
		}
		_ = conn.Close()
	}
}

func (g *gate) admit(conn net.Conn) *guest {
	from := household(conn.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.conns) >= g.total || g.perIP[from] >= g.each {
		return nil
	}
	c := &guest{Conn: conn, gate: g, from: from}
	g.conns[c] = struct{}{}
	g.perIP[from]++
	return c
}

// closeAll ends every connection.
func (g *gate) closeAll() {
	g.mu.Lock()
	all := make([]*guest, 0, len(g.conns))
	for c := range g.conns {
		all = append(all, c)
	}
	g.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// A guest is a connection that a gate let in.
type guest struct {
	net.Conn
	gate  *gate
	from  netip.Prefix
	leave sync.Once
}

// Write gives the client a while to take all of p.
func (c *guest) Write(p []byte) (int, error) {
	err := c.SetWriteDeadline(time.Now().Add(c.gate.wait))
	if err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close makes room for another.
func (c *guest) Close() error {
	c.leave.Do(func() {
		g := c.gate
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, c)
		g.perIP[c.from]--
		if g.perIP[c.from] == 0 {
			delete(g.perIP, c.from)
		}
	})
	return c.Conn.Close()
}

// household is what counts as one client over TCP: an IPv4 address, an IPv6 /64.
func household(client net.Addr) netip.Prefix {
	a := addressOf(client)
	p, err := a.Prefix(min(a.BitLen(), 64))
	if err != nil {
		return netip.Prefix{} // not TCP: all are one
	}
	return p
}
