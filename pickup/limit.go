package pickup

import (
	"net"

	"postern/pickup/door"
)

// A gatedListener hands out admitted connections, each with a front.
type gatedListener struct {
	net.Listener
	gate *door.Gate
}

func (l *gatedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err // bare: net.ErrClosed ends Serve quietly
		}
		cc := l.gate.Admit(c)
		if cc == nil {
			c.Close()
			continue
		}
		return newFront(cc), nil
	}
}
