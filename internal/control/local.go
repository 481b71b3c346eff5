package control

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Local returns a client of the service within this process, for commands while
// no server runs. It asks over pipes, so that nobody else comes to depend on a
// server that lives as long as one command. stop ends it.
func (s *Service) Local(ctx context.Context) (client *Client, stop func()) {
	pipes := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	serving, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(serving, pipes) // it ends by cancel; what went wrong, the command was told
	}()
	client = &Client{http: &http.Client{Transport: &http.Transport{DialContext: pipes.dial, ExpectContinueTimeout: expectTime}}}
	return client, func() {
		client.Close()
		cancel()
		<-done
	}
}

// A pipeListener accepts what its own dial makes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept returns the other end of the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and dial.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr names no place: the listener can be reached from here alone.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }
