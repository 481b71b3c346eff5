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

// A connection remembers who has shown which token on it, so that a login is one for
// all requests that follow, and how often that failed.
type connection struct {
	remote netip.AddrPort

	mu       sync.Mutex
	token    [sha256.Size]byte
	login    *Login
	failures int
}

type connectionKey struct{}

func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, &connection{remote: admit.AddrPort(c.RemoteAddr())})
}

func connectionOf(ctx context.Context) *connection {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return &connection{}
	}
	return c
}

// known returns the login of a token that was shown before.
func (c *connection) known(token string) (Login, bool) {
	sum := sha256.Sum256([]byte(token))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.login == nil || subtle.ConstantTimeCompare(sum[:], c.token[:]) != 1 {
		return Login{}, false
	}
	return *c.login, true
}

func (c *connection) remember(token string, l Login) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token, c.login = sha256.Sum256([]byte(token)), &l
}

func (c *connection) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.login = nil
}

// failed counts a wrong token, and returns how many there were.
func (c *connection) failed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failures++
	return c.failures
}
