//go:build unix

package control

import "syscall"

// restrict closes a socket to others before it has a name. Where the system does
// not know this of sockets, Listen's chmod does it a moment later.
func restrict(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) }
