package door

import (
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"postern/internal/admit"
)

// refusedAtOnce is how many connections over a limit may wait to be told so;
// beyond it they are closed without a word.
const refusedAtOnce = 32

// A Gate lets connections in up to a server's limits, and a few more that are
// only told so. Use NewGate.
type Gate struct {
	protocol        string
	inside, refused admit.Gate
	arrivals, told  admit.Meter[netip.Prefix] // connections a minute; what was logged of those refused
	turnedAway      atomic.Uint64
}

// NewGate returns a gate of a protocol, which its log lines name. connections are
// open at once, perIP of them from one IPv4 address or IPv6 /64; rate is how many
// may come a minute from there, 0 without a limit.
func NewGate(protocol string, connections, perIP, rate int) *Gate {
	g := &Gate{protocol: protocol}
	g.inside.Total, g.inside.Each = connections, perIP
	g.refused.Total = refusedAtOnce
	g.arrivals.Burst, g.arrivals.Per = rate, time.Minute
	g.told.Burst, g.told.Per = 1, time.Minute
	return g
}

// Admit counts a connection in, or says in its Over why it is to be turned away.
// It returns nil when the connection should just be closed.
func (g *Gate) Admit(c net.Conn) *Conn {
	ip := admit.AddrPort(c.RemoteAddr()).Addr()
	counted := &Conn{Conn: c, IP: ip}
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
		counted.Over = "Too many connections, or too many from your address"
		return counted
	}
	return nil
}

// Log says that a client was refused, once a minute for each: it could fill a
// disk otherwise.
func (g *Gate) Log(log *slog.Logger, c *Conn) {
	client := admit.Client(c.IP)
	if g.told.Take(time.Now(), client) {
		log.Warn(g.protocol+" connections refused", "client", client, "reason", c.Over)
	}
}

// TurnedAway is how many connections were above a limit.
func (g *Gate) TurnedAway() uint64 { return g.turnedAway.Load() }
