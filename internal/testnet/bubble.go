package testnet

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// Pipes is a listener without sockets, so that the time of its connections can be
// that of a synctest bubble.
type Pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipes returns a listener, which is made in the bubble.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Dial returns the client's end of a connection that the listener takes.
func (p *Pipes) Dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// Accept implements net.Listener.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *Pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Closed is closed when the listener is.
func (p *Pipes) Closed() <-chan struct{} { return p.closed }

// Addr implements net.Listener.
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A Server serves connections until it is shut down.
type Server interface {
	Serve(context.Context, net.Listener) error
	Shutdown(context.Context) error
}

// Serve has a server serve pipes while test runs. Both must end well.
func Serve(t testing.TB, s Server, test func(*Pipes)) {
	t.Helper()
	p, served := NewPipes(), make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), p) }()
	test(p)
	err := s.Shutdown(context.Background())
	if err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	err = <-served
	if err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// A Clock stands still unless it is moved.
type Clock struct {
	mu   sync.Mutex
	at   time.Time
	live bool
}

// NewClock returns a clock that shows at.
func NewClock(at time.Time) *Clock { return &Clock{at: at} }

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live {
		return time.Now()
	}
	return c.at
}

// Advance moves the clock, forward or back.
func (c *Clock) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// Live has the clock show time.Now from now on, as in a synctest bubble.
func (c *Clock) Live() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live = true
}
