package smtp

import (
	"errors"
	"net"
	"time"
)

// maxReply is how many octets a peer may send in reply to a command, or for
// greeting, first EHLO and TLS handshake together. The library bounds a reply's
// lines but not their number, and joins them at quadratic cost.
const maxReply = 64 << 10

var errTalkative = errors.New("the server's reply does not end")

// A paced connection bounds a client's session: until when all must be over, how
// long a write may take, how much the peer may say at once. The library sets the
// time for a reply and clears it again, which here goes back to the bound of the
// whole.
type paced struct {
	net.Conn
	until time.Time
	block time.Duration
	left  int // octets of the current reply
}

// SetDeadline sets the time for reading and writing, within the bound. A time
// means that a reply is read next.
func (p *paced) SetDeadline(t time.Time) error {
	if !t.IsZero() {
		p.left = maxReply
	}
	return p.Conn.SetDeadline(p.within(t))
}

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
	if p.left <= 0 {
		return 0, errTalkative
	}
	n, err := p.Conn.Read(b[:min(len(b), p.left)])
	p.left -= n
	return n, err
}
