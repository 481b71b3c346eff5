package door

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Gone reports whether the client has hung up, also behind octets that nobody has read
// yet, such as the farewell of TLS. One that only says no more cannot be told from it.
func (c *Conn) Gone() bool {
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	socket, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	ends := int16(unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR)
	gone := false
	err = socket.Control(func(fd uintptr) {
		asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, err := unix.Poll(asked, 0)
		gone = err == nil && asked[0].Revents&ends != 0
	})
	return err == nil && gone
}
