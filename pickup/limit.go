package pickup

import (
	"net"
	"net/netip"
	"sync"
)

// refusedAtOnce is how many connections over a limit may wait for their BYE;
// beyond it they are closed without a word.
const refusedAtOnce = 32

// A gate counts connections, in all and by address.
type gate struct {
	total, perIP int

	mu      sync.Mutex
	open    int
	refused int
	byIP    map[netip.Addr]int
}

func newGate(total, perIP int) *gate {
	return &gate{total: total, perIP: perIP, byIP: map[netip.Addr]int{}}
}

// admit counts a connection in, or says why it is to be told BYE. It returns
// nil when the connection should just be closed.
func (g *gate) admit(c net.Conn) *countedConn {
	ip := addrOf(c.RemoteAddr())
	g.mu.Lock()
	defer g.mu.Unlock()
	over := ""
	switch {
	case g.open >= g.total:
		over = "Too many connections"
	case g.byIP[ip] >= g.perIP:
		over = "Too many connections from your address"
	}
	if over != "" {
		if g.refused >= refusedAtOnce {
			return nil
		}
		g.refused++
		return &countedConn{Conn: c, ip: ip, over: over, leave: g.leaveRefused}
	}
	g.open++
	g.byIP[ip]++
	return &countedConn{Conn: c, ip: ip, leave: func() { g.leave(ip) }}
}

func (g *gate) leave(ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	g.byIP[ip]--
	if g.byIP[ip] == 0 {
		delete(g.byIP, ip)
	}
}

func (g *gate) leaveRefused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused--
}

// addrOf returns the IP of a TCP address, and the zero Addr for anything else.
func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

// A countedConn leaves its gate when it is closed.
type countedConn struct {
	net.Conn
	ip    netip.Addr
	over  string // why it is refused; "" if it is not
	once  sync.Once
	leave func()
}

func (c *countedConn) Close() error {
	c.once.Do(c.leave)
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
