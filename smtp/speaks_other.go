//go:build !unix

package smtp

import "net"

// speaks is true where a socket cannot be asked without waiting: then no connection
// is used twice.
func speaks(net.Conn) bool { return true }

// waits is speaks, but false where it is not known.
func waits(net.Conn) bool { return false }
