package control

import (
	"net"
	"syscall"
)

// peerOf asks the system who connected (SO_PEERCRED, unix(7)).
func peerOf(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var got *syscall.Ucred
	var asked error
	err = raw.Control(func(fd uintptr) {
		got, asked = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return 0, err
	}
	if asked != nil {
		return 0, asked
	}
	return int(got.Uid), nil
}
