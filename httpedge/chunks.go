package httpedge

import "io"

// chunkSize is what documents are held in pieces of; little ones take less.
const chunkSize = 64 << 10

// Chunks hold what is written, without copying it while they grow, until it is read.
type chunks struct {
	all [][]byte
	n   int64
}

// room returns where at least n octets can be written. They count when they are taken.
func (c *chunks) room(n int) []byte {
	last := len(c.all) - 1
	if last < 0 || cap(c.all[last])-len(c.all[last]) < n {
		c.all = append(c.all, make([]byte, 0, max(n, int(min(c.n, chunkSize)))))
		last++
	}
	return c.all[last][len(c.all[last]):cap(c.all[last])]
}

// take counts n octets that were written where room said.
func (c *chunks) take(n int) {
	last := len(c.all) - 1
	c.all[last] = c.all[last][:len(c.all[last])+n]
	c.n += int64(n)
}

// Read implements io.Reader, and lets go of what was read.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.all) > 0 && len(c.all[0]) == 0 {
		c.all[0] = nil
		c.all = c.all[1:]
	}
	if len(c.all) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.all[0])
	c.all[0] = c.all[0][n:]
	return n, nil
}
