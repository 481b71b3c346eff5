package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/textproto"
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
		err := l.fill()
		if err != nil {
			return 0, err
		}
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

// fill reads what has come, or waits for it.
func (l *lines) fill() error {
	n, err := l.Conn.Read(l.buffer[:])
	if n == 0 {
		return err
	}
	l.unread = l.buffer[:n]
	return nil
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
func (l *link) silent() bool { return l.nothingRead() && !speaks(l.paced.Conn) }

// nothingRead reports whether there is nothing in buffers, ours or those of TLS.
func (l *link) nothingRead() bool {
	if len(l.lines.unread) > 0 || l.lines.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	err := l.lines.fill()
	return len(l.lines.unread) == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// restTime is how long the rest of what has begun to come may take.
const restTime = time.Second

// unasked is what the peer has said though it owes no reply: a *ReplyError, what is no
// reply as errOutOfTurn, or how the connection ended. It is nil, without a wait, where
// the peer said nothing. On a connection that is no socket it is seen no further than the
// buffers of TLS.
func (l *link) unasked() error {
	if l.nothingRead() && !waits(l.paced.Conn) {
		return nil
	}
	err := l.lines.SetDeadline(time.Now().Add(restTime))
	if err == nil && len(l.lines.unread) == 0 {
		err = l.lines.fill()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil // it was of TLS alone, such as a new key (RFC 8446 §4.6)
	}
	if err != nil {
		return err
	}
	code, text, err := textproto.NewReader(bufio.NewReader(l.lines)).ReadResponse(0)
	if err != nil {
		return errOutOfTurn // whatever it was going to be
	}
	return newReply(code, text)
}
