package named

import (
	"net"
	"time"
)

// A listener gives the clients of its connections a while to take an answer.
type listener struct {
	net.Listener
	wait time.Duration
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, wait: l.wait}, nil
}

type conn struct {
	net.Conn
	wait time.Duration
}

func (c *conn) Write(p []byte) (int, error) {
	err := c.SetWriteDeadline(time.Now().Add(c.wait))
	if err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
