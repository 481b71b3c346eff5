//go:build unix

package smtp

import (
	"errors"
	"net"
	"syscall"
)

// speaks reports whether there is something to read from the socket of a connection,
// if only its end; of one without a socket it is not known, and so true.
func speaks(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	socket, err := c.SyscallConn()
	if err != nil {
		return true
	}
	var peeked error
	err = socket.Control(func(fd uintptr) {
		_, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	})
	return err != nil || !errors.Is(peeked, syscall.EAGAIN)
}

// waits is speaks, but false where it is not known.
func waits(conn net.Conn) bool {
	_, known := conn.(syscall.Conn)
	return known && speaks(conn)
}
