package smtp

import (
	"errors"
	"net"
	"time"
)

// maxReplies is how many octets a peer may send us on one connection. The
// library bounds a reply's lines but not their number.
const maxReplies = 1 << 20

var errTalkative = errors.New("the server's replies do not end")

// A paced connection bounds a client's session: until when all must be over, how
// long a write may take, how much the peer may say. The library sets the time for
// a reply and clears it again, which here goes back to the bound of the whole.
type paced struct {
	net.Conn
	until time.Time
	block time.Duration
	left  int
}

// SetDeadline sets the time for reading and writing, within the bound.
func (p *paced) SetDeadline(t time.Time) error { return p.Conn.SetDeadline(p.within(t)) }

func (p *paced) within(t time.Time) time.Time {
	if t.IsZero() || t.After(p.until) {
		return p.until
	}
	return t
}

// Write gives each block its time (RFC 5321 §4.5.3.2.5).
func (p *paced) Write(b []byte) (int, error) {
	err := p.Conn.SetWriteDeadline(p.within(time.Now().Add(p.block)))
	if err != nil {
		return 0, err
	}
	return p.Conn.Write(b)
}

// Read fails when the peer has said too much.
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.left -= n
	if p.left < 0 {
		return 0, errTalkative
	}
	return n, err
}

// A greeted connection reads the greeting first.
type greeted struct {
	net.Conn
	greeting []byte
}

// Read implements net.Conn.
func (g *greeted) Read(b []byte) (int, error) {
	if len(g.greeting) > 0 {
		n := copy(b, g.greeting)
		g.greeting = g.greeting[n:]
		return n, nil
	}
	return g.Conn.Read(b)
}
