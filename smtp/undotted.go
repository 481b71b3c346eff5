package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"time"

	"postern/mime"
)

// loneDotWait is how long a client may be silent behind what it may have meant for
// the end of its message and what is none, such as LF . LF.
const loneDotWait = 5 * time.Second

// An undotted reads a message as it stands behind DATA, to CR LF . CR LF and to no other
// end (RFC 5321 §4.1.1.4), and takes the dot off that stands before another (§4.5.2).
// All else it hands on as it came.
type undotted struct {
	in       *bufio.Reader
	wire     *wire
	last     []byte // the latest octets of the client, handed on or not
	oddStart bool   // the line that begins now is behind CR CR LF
	err      error
}

func newUndotted(in *bufio.Reader, w *wire) *undotted {
	return &undotted{in: in, wire: w, last: []byte("\r\n")} // the message begins with a line
}

// Read implements io.Reader.
func (d *undotted) Read(b []byte) (int, error) {
	if d.err == nil && len(b) > 0 {
		var n int
		n, d.err = d.read(b)
		if n > 0 {
			return n, nil
		}
	}
	return 0, d.err
}

func (d *undotted) read(b []byte) (int, error) {
	p, err := d.ahead(1)
	if err != nil {
		return 0, err
	}
	if p[0] == '.' && bytes.HasSuffix(d.last, []byte("\r\n")) {
		return 0, d.dot()
	}
	// A dot that begins a line is left for the next call.
	end := bytes.Index(p, []byte("\n.")) + 1
	if end == 0 {
		end = len(p)
	}
	n := copy(b, p[:end])
	d.take(p[:n])
	return n, nil
}

// dot reads a dot at the beginning of a line: io.EOF is the end of the message.
func (d *undotted) dot() error {
	p, err := d.ahead(2)
	if err == nil && p[1] == '\r' {
		p, err = d.ahead(3)
	}
	if err != nil {
		return err
	}
	if p[1] == '\r' && p[2] == '\n' {
		d.oddStart = bytes.HasSuffix(d.last, []byte("\r\r\n"))
		d.take(p[:3])
		return io.EOF
	}
	d.take(p[:1]) // a second dot behind it begins no line
	return nil
}

// take goes past octets, and remembers the last of them.
func (d *undotted) take(p []byte) {
	const kept = 8
	d.last = append(d.last, p[max(0, len(p)-kept):]...)
	d.last = append(d.last[:0], d.last[max(0, len(d.last)-kept):]...)
	_, _ = d.in.Discard(len(p)) // they are in the buffer
}

// ahead returns what has come, and waits until that is n octets at least.
func (d *undotted) ahead(n int) ([]byte, error) {
	for d.in.Buffered() < n {
		rest, _ := d.in.Peek(d.in.Buffered())
		alone := endsInLoneDot(append(d.last[:len(d.last):len(d.last)], rest...))
		if alone {
			d.wire.hurry(loneDotWait)
		}
		_, err := d.in.Peek(d.in.Buffered() + 1)
		var late net.Error
		if alone && errors.As(err, &late) && late.Timeout() {
			return nil, mime.ErrBareLF
		}
		if err != nil {
			return nil, cut(err)
		}
	}
	p, err := d.in.Peek(d.in.Buffered())
	return p, err
}

// endsInLoneDot reports whether a text ends in a dot that has a line for itself, by
// whatever line ends there are: the client may take that for the end of its message,
// and wait.
func endsInLoneDot(text []byte) bool {
	line := bytes.TrimRight(text, "\r\n")
	n := len(line)
	return n < len(text) && n > 1 && line[n-1] == '.' && (line[n-2] == '\n' || line[n-2] == '\r')
}

// cut is what the end of a connection in the midst of a message is.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
