package pop3

import (
	"bufio"
	"bytes"
	"io"
	"sync"
)

// A textWriter writes a message as lines (RFC 1939 §3): each ends in CRLF, also where
// the message has LF alone, for there clients that count by LF would otherwise see
// other lines than those that count by CRLF; and one that begins with a dot is given
// another. A CR alone stays, as what stands between the segments of HL7 version 2, but
// before a dot it is the end of a line too: a client that takes it for one would
// otherwise find the end of the message there, and an answer of ours in what follows.
type textWriter struct {
	out  *bufio.Writer
	last byte // octet of the message
	in   bool // a line has begun
}

// Write implements io.Writer.
func (t *textWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, _, ended := bytes.Cut(rest, []byte("\n"))
		if len(line) > 0 {
			t.write(line)
		}
		if !ended {
			break
		}
		if t.last != '\r' {
			_ = t.out.WriteByte('\r')
		}
		_ = t.out.WriteByte('\n')
		t.in, t.last = false, '\n'
		rest = rest[len(line)+1:]
	}
	_, err := t.out.Write(nil) // its errors stay with it
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// write writes some of a line.
func (t *textWriter) write(line []byte) {
	if line[0] == '.' && t.in && t.last == '\r' {
		_ = t.out.WriteByte('\n')
		t.in = false
	}
	if line[0] == '.' && !t.in {
		_ = t.out.WriteByte('.')
	}
	t.in, t.last = true, line[len(line)-1]
	for {
		before, rest, found := bytes.Cut(line, crDot)
		_, _ = t.out.Write(before)
		if !found {
			return
		}
		_, _ = t.out.WriteString("\r\n..")
		line = rest
	}
}

// crDot is where a CR alone is the end of a line.
var crDot = []byte("\r.")

// end ends the last line, if the message does not.
func (t *textWriter) end() error {
	if !t.in {
		return nil
	}
	_, err := t.out.WriteString("\r\n")
	return err
}

// textSize is how many octets a textWriter makes of a message, without the dots that
// it adds: what a client has in the end (RFC 1939 §11).
func textSize(r io.Reader) (int64, error) {
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	var size int64
	last := byte('\n')
	for {
		n, err := r.Read(*buf)
		if n > 0 {
			p := (*buf)[:n]
			size += int64(n + bytes.Count(p, []byte("\n")) - bytes.Count(p, []byte("\r\n")))
			size += int64(bytes.Count(p, crDot))
			switch {
			case last == '\r' && p[0] == '\n':
				size--
			case last == '\r' && p[0] == '.':
				size++
			}
			last = p[n-1]
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
	}
	if last != '\n' {
		size += 2
	}
	return size, nil
}

// pieces are buffers for reading bodies.
var pieces = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}

// A topReader ends after the header, the empty line and some lines of the body
// (RFC 1939 §7, TOP).
type topReader struct {
	from  io.Reader
	lines int
	body  bool // the empty line was read
	size  int  // of the line so far, without LF
	cr    bool // the line is CR alone so far
	done  bool
}

// Read implements io.Reader.
func (t *topReader) Read(p []byte) (int, error) {
	if t.done {
		return 0, io.EOF
	}
	n, err := t.from.Read(p)
	for i := 0; i < n; {
		end := bytes.IndexByte(p[i:n], '\n')
		if end < 0 {
			t.cr = t.size == 0 && n-i == 1 && p[i] == '\r'
			t.size += n - i
			break
		}
		empty := t.size == 0 && (end == 0 || end == 1 && p[i] == '\r') || t.size == 1 && t.cr && end == 0
		i += end + 1
		t.size, t.cr = 0, false
		switch {
		case t.body:
			t.lines--
		case empty:
			t.body = true
		}
		if t.body && t.lines <= 0 {
			t.done = true
			return i, nil
		}
	}
	return n, err
}
