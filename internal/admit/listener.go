package admit

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Listen returns a listener of the connections of l that the gate lets in. When
// it is full, the connection that was served the longest time ago of the client
// with the most makes room for a client with fewer. The others are given to
// refuse, which closes them; nil closes them without a word.
//
// Accepting waits while the system is out of something, such as files.
func (g *Gate) Listen(l net.Listener, refuse func(net.Conn)) net.Listener {
	if refuse == nil {
		refuse = func(c net.Conn) { _ = c.Close() }
	}
	return &listener{Listener: l, gate: g, refuse: refuse, closed: make(chan struct{})}
}

type listener struct {
	net.Listener
	gate   *Gate
	refuse func(net.Conn)
	once   sync.Once
	closed chan struct{}
}

// acceptPause is how long accepting waits when the system is out of something.
const acceptPause = 100 * time.Millisecond

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case err == nil:
			c := l.gate.admit(conn)
			if c != nil {
				return c, nil
			}
			l.refuse(conn)
		case passing(err):
			Linger(acceptPause, l.closed, nil)
		default:
			return nil, err
		}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// passing reports whether accepting may succeed later.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Accept waits for a connection, also while the system is out of something, such as
// files, until done is closed.
func Accept(l net.Listener, done <-chan struct{}) (net.Conn, error) {
	for {
		conn, err := l.Accept()
		if err == nil || !passing(err) {
			return conn, err
		}
		Linger(acceptPause, done, nil)
	}
}
