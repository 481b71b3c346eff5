package smtp

import (
	"errors"
	"io"
	"strings"
)

// errAborted ends a message in chunks that the client gives up.
var errAborted = errors.New("the client gave the message up")

// A chunks reads a message from the chunks of BDAT, one after another (RFC 3030 §2).
// Between two of them it does what the session does between commands.
type chunks struct {
	session *session
	left    int64 // octets of the chunk
	last    bool
	err     error
}

// bdat is the first BDAT of a message. It reads those that follow.
func (s *session) bdat(arg string) reply {
	c := &chunks{session: s}
	if !c.parse(arg) {
		return s.lostChunk()
	}
	r := s.mayTake()
	s.wire.begin()
	if !r.ok() {
		c.skip()
		s.wire.end()
		return r
	}
	s.flush()
	r = s.take(c)
	switch {
	case errors.Is(c.err, errAborted):
		s.reset()
		return reply{} // the command that ended it is answered
	case c.err != nil && c.err != io.EOF && !errors.Is(c.err, errTooLarge):
		s.gone = true // the connection broke
		if s.wire.isDraining() {
			r = errClosing
		}
	}
	c.skip()
	s.reset()
	return r
}

// lostChunk is the answer to a BDAT without its number of octets: nobody knows where
// the next command begins.
func (s *session) lostChunk() reply {
	s.gone, s.midway = true, true
	return errBadBDAT
}

func (c *chunks) parse(arg string) bool {
	words := strings.Fields(arg)
	if len(words) == 0 || len(words) > 2 || len(words) == 2 && !strings.EqualFold(words[1], "LAST") {
		return false
	}
	var ok bool
	c.left, ok = parseSize(words[0])
	c.last = len(words) == 2
	if c.left > c.session.opts.MessageBytes {
		c.err = errTooLarge // before an octet of it is read
	}
	return ok
}

// Read implements io.Reader.
func (c *chunks) Read(b []byte) (int, error) {
	for c.left == 0 && c.err == nil {
		c.next()
	}
	if c.err != nil || len(b) == 0 {
		return 0, c.err
	}
	n, err := c.session.in.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if err != nil {
		c.err = cut(err) // half a message is none
	}
	return n, c.err
}

// next goes on to another chunk, or to the end of the message.
func (c *chunks) next() {
	if c.last {
		c.err = io.EOF
		return
	}
	s := c.session
	s.answer(saidOK)
	for {
		next, err := s.next()
		switch {
		case err != nil:
			c.err = cut(err)
			return
		case next.verb == "BDAT":
			if !c.parse(next.arg) {
				s.answer(s.lostChunk())
				c.err = errAborted
			}
			if c.left == 0 && !c.last {
				s.wire.inVain()
			}
			return
		case next.verb == "RSET" || next.verb == "QUIT" || next.verb == "EHLO" || next.verb == "HELO":
			s.pending, c.err = &next, errAborted
			return
		case next.verb == "NOOP" || next.verb == "HELP":
			s.wire.inVain()
			s.answer(s.dispatch(next))
		case next.verb == "MAIL" || next.verb == "RCPT":
			s.answer(s.wrong(errInChunks))
		default: // DATA, and what may be a message that came behind it all the same
			s.answer(s.noCommand(next.verb, errInChunks))
			if s.gone {
				c.err = errAborted
				return
			}
		}
	}
}

// skip reads what is left of a chunk that nobody wants. If that is more than a
// message may have, the connection ends instead.
func (c *chunks) skip() {
	s := c.session
	if c.left > s.opts.MessageBytes {
		s.gone, s.midway = true, true
		return
	}
	_, err := io.CopyN(io.Discard, s.in, c.left)
	if err != nil {
		s.gone, s.midway = true, true
	}
}
