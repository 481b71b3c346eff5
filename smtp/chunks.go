package smtp

import (
	"crypto/tls"
	"errors"
	"io"
	"os"

	"postern/trust/reason"
)

// The library takes the end of the connection in the midst of a last chunk for
// the end of that chunk, and so half a message for a whole one (RFC 3030 §2 gives
// the length). The wire therefore never reports an end during a transfer, and
// chunks looks for the two it cannot see: before the first octet, and a
// close_notify within TLS.
type chunks struct {
	r       io.Reader
	session *session
	any     bool
}

// asChunks returns r, guarded if it is a message in chunks: the library hands
// those over in a pipe.
func (s *session) asChunks(r io.Reader) io.Reader {
	_, chunked := r.(*io.PipeReader)
	if !chunked {
		return r
	}
	return &chunks{r: r, session: s}
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.any = c.any || n > 0
	if err != io.EOF {
		return n, err
	}
	if !c.any {
		return 0, reason.New(reason.Malformed, "a message of no octets in chunks")
	}
	if c.session.endedWithinTLS() {
		return 0, errCut
	}
	return n, err
}

// endedWithinTLS reports whether the client has ended its side of TLS. The
// library waits for the answer to the last chunk meanwhile and does not read. If
// the client has sent more, one octet of it is lost, and so the connection ends
// after the answer.
func (s *session) endedWithinTLS() bool {
	_, overTLS := s.net.(*tls.Conn)
	if !overTLS {
		return false
	}
	s.wire.probe(true)
	defer s.wire.probe(false)
	var one [1]byte
	n, err := s.net.Read(one[:])
	if n > 0 {
		s.leave()
		return false
	}
	return !errors.Is(err, os.ErrDeadlineExceeded)
}
