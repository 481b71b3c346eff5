package httpedge

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"sync"

	"postern/internal/admit"
)

// A connection remembers what the latest token on it has opened, and how often a wrong
// one was shown.
type connection struct {
	conn   net.Conn
	remote netip.AddrPort
	leave  leave

	mu       sync.Mutex
	token    [sha256.Size]byte
	login    *Login
	failures int
}

type connectionKey struct{}

// withConnection begins a connection, which ends in count.
func (s *Server) withConnection(ctx context.Context, conn net.Conn) context.Context {
	c := &connection{conn: conn, remote: admit.AddrPort(conn.RemoteAddr()), leave: leave{close: below(conn)}}
	s.open.add(c)
	return context.WithValue(ctx, connectionKey{}, c)
}

func connectionOf(ctx context.Context) *connection {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return &connection{}
	}
	return c
}

// session returns that of an earlier login with the same token, or remembers this one.
func (c *connection) session(token string, l Login) any {
	sum := sha256.Sum256([]byte(token))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.login == nil || c.login.Account != l.Account || subtle.ConstantTimeCompare(sum[:], c.token[:]) != 1 {
		c.token, c.login = sum, &l
	}
	return c.login.Session
}

// failed counts a wrong token, and returns how many there were.
func (c *connection) failed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures++
	return c.failures
}
