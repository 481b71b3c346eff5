package admit

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// A Gate counts who is inside, in all and of each client. The zero Gate has no
// limits.
type Gate struct {
	Total, Each int // 0 is no limit

	mu     sync.Mutex
	inside int
	of     map[netip.Prefix]int
	guests map[*guest]struct{} // of those inside, the ones that may be put out
	uses   atomic.Uint64       // counted, so that it is known who was served last
}

// Enter takes a place for a client until leave is called, if there is one. Nobody
// is put out for it.
func (g *Gate) Enter(client netip.Prefix) (leave func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mayHave(client) || g.full() {
		return nil, false
	}
	g.take(client)
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.free(client)
	}), true
}

func (g *Gate) mayHave(client netip.Prefix) bool { return g.Each == 0 || g.of[client] < g.Each }

func (g *Gate) full() bool { return g.Total > 0 && g.inside >= g.Total }

func (g *Gate) take(client netip.Prefix) {
	if g.of == nil {
		g.of = make(map[netip.Prefix]int)
	}
	g.inside++
	g.of[client]++
}

func (g *Gate) free(client netip.Prefix) {
	g.inside--
	g.of[client]--
	if g.of[client] == 0 {
		delete(g.of, client)
	}
}

// A guest is a connection with a place in a gate, which it leaves when it is
// closed or put out. It counts as served when something is written to it.
type guest struct {
	net.Conn
	gate   *Gate
	client netip.Prefix
	served atomic.Uint64
}

func (c *guest) Write(p []byte) (int, error) {
	c.served.Store(c.gate.uses.Add(1))
	return c.Conn.Write(p)
}

func (c *guest) Close() error {
	c.gate.remove(c)
	return c.Conn.Close()
}

// admit lets a connection in, or returns nil. Where there is no place left, it is
// given that of another client that has more (RFC 7766 §6.2.3): so a few hosts
// that keep their connections keep nobody out.
func (g *Gate) admit(conn net.Conn) *guest {
	c := &guest{Conn: conn, gate: g, client: Client(AddrPort(conn.RemoteAddr()).Addr())}
	out, ok := g.add(c)
	if out != nil {
		_ = out.Conn.Close()
	}
	if !ok {
		return nil
	}
	return c
}

// add lets c in, and returns who has to go for it.
func (g *Gate) add(c *guest) (out *guest, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.mayHave(c.client) {
		return nil, false
	}
	if g.full() {
		out = g.leastEntitled(c.client)
		if out == nil {
			return nil, false
		}
		g.drop(out)
	}
	g.take(c.client)
	if g.guests == nil {
		g.guests = make(map[*guest]struct{})
	}
	g.guests[c] = struct{}{}
	c.served.Store(g.uses.Add(1))
	return out, true
}

// leastEntitled returns the guest that is put out for a client: one of the client
// with the most places, and of them the one that was served the longest time ago. A
// client that has a place gets another only from one that keeps more than it has
// then: otherwise the two would put each other out for ever.
func (g *Gate) leastEntitled(client netip.Prefix) *guest {
	var least *guest
	most := g.of[client]
	if most > 0 {
		most++
	}
	for c := range g.guests {
		n := g.of[c.client]
		if n > most || n == most && least != nil && c.served.Load() < least.served.Load() {
			least, most = c, n
		}
	}
	return least
}

func (g *Gate) drop(c *guest) {
	_, inside := g.guests[c]
	if inside {
		delete(g.guests, c)
		g.free(c.client)
	}
}

func (g *Gate) remove(c *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.drop(c)
}

// Cut closes every connection that a listener of the gate let in.
func (g *Gate) Cut() {
	g.mu.Lock()
	all := g.guests
	g.guests = nil
	for c := range all {
		g.free(c.client)
	}
	g.mu.Unlock()
	for c := range all {
		_ = c.Conn.Close()
	}
}
