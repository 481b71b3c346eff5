//go:build !linux

package door

// Gone is false where a socket cannot be asked for its end without being read.
func (c *Conn) Gone() bool { return false }
