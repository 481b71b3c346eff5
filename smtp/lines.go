package smtp

import (
	"bytes"
	"errors"
	"net"
	"os"
	"time"
)

var errOutOfTurn = errors.New("the server speaks out of turn")

// A lines connection hands the library what the peer says a line at a time, so that
// it never holds more than the reply it waits for. One line too many would be taken
// for the reply to the next command, and that one's for the reply to the command
// after it: a recipient would get the answer meant for another.
type lines struct {
	net.Conn
	unread []byte // at first the greeting, which has been read already
	buffer [1 << 10]byte
}

// Read implements net.Conn.
func (l *lines) Read(b []byte) (int, error) {
	if len(l.unread) == 0 {
		n, err := l.Conn.Read(l.buffer[:])
		if n == 0 {
			return 0, err
		}
		l.unread = l.buffer[:n]
	}
	line := l.unread
	end := bytes.IndexByte(line, '\n')
	if end >= 0 {
		line = line[:end+1]
	}
	n := copy(b, line)
	l.unread = l.unread[n:]
	return n, nil
}

// Write fails when the peer has said more than its reply.
func (l *lines) Write(b []byte) (int, error) {
	if len(l.unread) > 0 {
		return 0, errOutOfTurn
	}
	return l.Conn.Write(b)
}

// silent reports whether the peer has said nothing since its last reply, nor hung
// up: nothing is unread here, under TLS or in the socket. The time for reading is
// over after it, until the next command sets another.
func (l *link) silent() bool {
	if len(l.lines.unread) > 0 || l.lines.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	n, err := l.lines.Conn.Read(l.lines.buffer[:1]) // from the buffers of TLS alone
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && !speaks(l.paced.Conn)
}
