package door

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Farewell is how long a client may stay silent, or read nothing, while the server ends.
const Farewell = time.Second

// A Conn leaves its gate when it is closed.
type Conn struct {
	net.Conn
	IP    netip.Addr
	Over  string // why it is refused; "" if it is not
	leave func() // may be called again

	mu           sync.Mutex
	hurried      bool
	reads, sends time.Time // until when, as was asked for
}

// Close implements net.Conn; it may be called more than once.
func (c *Conn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// Hurry has no read or write wait for the client longer than Farewell from now on, also
// one that waits already, whatever deadlines are set. A write that is not done by then
// closes the connection: nothing more can be said on it.
func (c *Conn) Hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurried = true
	_ = c.Conn.SetReadDeadline(c.bound(c.reads)) // fails on a connection that is closed
	_ = c.Conn.SetWriteDeadline(c.bound(c.sends))
}

// bound is a deadline that was asked for, as far as the hurry allows. mu is held.
func (c *Conn) bound(t time.Time) time.Time {
	soon := time.Now().Add(Farewell)
	if c.hurried && (t.IsZero() || t.After(soon)) {
		return soon
	}
	return t
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	err := c.hasten(c.Conn.SetReadDeadline, &c.reads)
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	err := c.hasten(c.Conn.SetWriteDeadline, &c.sends)
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if err != nil && c.isHurried() {
		_ = c.Close()
	}
	return n, err
}

// hasten sets the deadline of what is about to wait, once there is hurry.
func (c *Conn) hasten(set func(time.Time) error, asked *time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.hurried {
		return nil
	}
	return set(c.bound(*asked))
}

func (c *Conn) isHurried() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hurried
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads, c.sends = t, t
	return c.Conn.SetDeadline(c.bound(t))
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads = t
	return c.Conn.SetReadDeadline(c.bound(t))
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sends = t
	return c.Conn.SetWriteDeadline(c.bound(t))
}
