package pickup

import (
	"net"

	"postern/internal/admit"
)

// A gatedListener hands out admitted connections, each with a front.
type gatedListener struct {
	net.Listener
	server *Server
}

func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := admit.Accept(l.Listener, l.server.shutting.Done())
		if err != nil {
			return nil, err // bare: net.ErrClosed ends Serve quietly
		}
		cc := l.server.gate.Admit(c)
		if cc == nil {
			c.Close()
			continue
		}
		return newFront(cc), nil
	}
}
