package pop3

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	// maxLine bounds a line of the client, in octets. RFC 2449 §4 has 255 for
	// commands; an answer to a challenge is longer (RFC 5034 §4).
	maxLine = 8 << 10
	// maxWaste bounds what is read of a longer line to find its end.
	maxWaste = 64 << 10
	// pieceSize is how much is written at once.
	pieceSize = 32 << 10
)

// errLong says that a line was too long, and is read past.
var errLong = errors.New("the line is too long")

// over makes reader and writer of what is now the connection.
func (s *session) over() {
	var c net.Conn = s.net
	if s.secure != nil {
		c = s.secure
	}
	s.out = bufio.NewWriterSize(timedWriter{c, s.options.WriteTime}, pieceSize)
	s.in = bufio.NewReaderSize(flushingReader{c, s.out}, maxLine)
}

// A flushingReader sends what was written before it waits for more: so the answers
// to commands that came together go out together (RFC 2449 §6.6).
type flushingReader struct {
	net.Conn
	out *bufio.Writer
}

func (r flushingReader) Read(p []byte) (int, error) {
	err := r.out.Flush()
	if err != nil {
		return 0, err
	}
	return r.Conn.Read(p)
}

// A timedWriter bounds the time of each write.
type timedWriter struct {
	net.Conn
	most time.Duration
}

func (w timedWriter) Write(p []byte) (int, error) {
	err := w.SetWriteDeadline(time.Now().Add(w.most))
	if err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// line reads a line without its end, which may be LF alone. It is good until the
// next is read. errLong: it was too long, and is no more there.
func (s *session) line(until time.Time) ([]byte, error) {
	err := s.net.SetReadDeadline(until)
	if err != nil {
		return nil, errors.Join(errGone, err)
	}
	if s.ending() { // Drain may have set its deadline before us
		return nil, errClosing
	}
	line, err := s.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, s.pass()
	}
	if err != nil {
		return nil, s.lost(err)
	}
	return bytes.TrimSuffix(line[:len(line)-1], []byte("\r")), nil
}

// pass reads to the end of a line that is too long.
func (s *session) pass() error {
	for range maxWaste / maxLine {
		_, err := s.in.ReadSlice('\n')
		if err == nil {
			return errLong
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return s.lost(err)
		}
	}
	s.say("-ERR The line is too long")
	return errQuit
}

// ending reports whether the server ends.
func (s *session) ending() bool {
	select {
	case <-s.Ended:
		return true
	default:
		return false
	}
}

const tooLate = "-ERR You were silent for too long"

// lost says why there is no more to read. The time is up: the session ends, and
// nothing is removed (RFC 1939 §3).
func (s *session) lost(err error) error {
	if s.ending() {
		return errClosing
	}
	var timed net.Error
	if errors.As(err, &timed) && timed.Timeout() {
		s.say(tooLate)
		return errQuit
	}
	return errors.Join(errGone, err)
}

// say writes a line. What cannot be written shows with the next read.
func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, format+"\r\n", args...)
}

// flush sends what was written.
func (s *session) flush() error {
	err := s.out.Flush()
	if err != nil {
		return errors.Join(errGone, err)
	}
	return nil
}

// finish ends a response of several lines.
func (s *session) finish() error {
	_, err := io.WriteString(s.out, ".\r\n")
	return err
}
