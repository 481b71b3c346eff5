package mime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// NewBase64Reader returns a reader of the octets that r has in base64. Lines
// may have any length and white space may stand anywhere. Other octets outside
// of the alphabet, missing padding, and anything but white space and padding
// behind the padding are errors wrapping ErrEncoding.
func NewBase64Reader(r io.Reader) io.Reader { return &base64Reader{r: r} }

type base64Reader struct {
	r     io.Reader
	in    *block // characters; nil before the first Read and after the last
	carry int    // characters at the front of in, less than a quantum of four
	dec   *block // octets decoded
	out   []byte // those of dec not yet read
	ended bool   // padding was seen
	empty int    // reads in a row that gave nothing
	err   error
}

// Read implements io.Reader.
func (b *base64Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.out) == 0 {
		if b.err != nil {
			b.release()
			return 0, b.err
		}
		b.fill()
	}
	n := copy(p, b.out)
	b.out = b.out[n:]
	return n, nil
}

// fill reads and decodes one block.
func (b *base64Reader) fill() {
	if b.in == nil {
		b.in, b.dec = blocks.Get().(*block), blocks.Get().(*block)
	}
	n, err := b.r.Read(b.in[b.carry:])
	if n == 0 && err == nil {
		if b.empty++; b.empty > 100 {
			b.err = io.ErrNoProgress
		}
		return
	}
	b.empty = 0
	chars := b.carry + stripLines(b.in[b.carry:b.carry+n])
	if !b.decode(b.in[:chars]) {
		b.err = fmt.Errorf("%w: base64: an octet outside of the alphabet, or text after the end", ErrEncoding)
		return
	}
	switch {
	case err == nil:
	case !errors.Is(err, io.EOF):
		b.err = err
	case b.carry > 0:
		b.err = fmt.Errorf("%w: base64: the text is cut off", ErrEncoding)
	default:
		b.err = io.EOF
	}
}

// decode takes the whole quanta of in and keeps what remains as the carry. It
// reports whether in is base64.
func (b *base64Reader) decode(in []byte) bool {
	whole := len(in) &^ 3
	if b.ended {
		b.carry = 0
		return len(bytes.Trim(in, "= \t\r")) == 0
	}
	n, err := base64.StdEncoding.Decode(b.dec[:], in[:whole])
	if err != nil {
		// White space inside of a line: seldom, so it may cost a second look.
		in = in[:stripSpace(in)]
		whole = len(in) &^ 3
		if end := bytes.IndexByte(in[:whole], '='); end >= 0 {
			// Padding may be followed by more of it.
			quantum := min(whole, end&^3+4)
			if len(bytes.Trim(in[quantum:], "=")) > 0 {
				return false
			}
			in, whole = in[:quantum], quantum
		}
		n, err = base64.StdEncoding.Decode(b.dec[:], in[:whole])
	}
	if err != nil {
		return false
	}
	b.out = b.dec[:n]
	b.ended = whole > 0 && in[whole-1] == '='
	if b.ended {
		b.carry = 0
		return len(bytes.Trim(in[whole:], "= \t\r")) == 0
	}
	b.carry = copy(in, in[whole:])
	return true
}

func (b *base64Reader) release() {
	if b.in != nil {
		blocks.Put(b.in)
		blocks.Put(b.dec)
		b.in, b.dec = nil, nil
	}
}

// stripLines takes line breaks and the white space beside them out of p, in
// place, and returns the length of what is left. It moves whole lines at once.
func stripLines(p []byte) int {
	n := 0
	rest := p
	for len(rest) > 0 {
		line := rest
		i := bytes.IndexByte(rest, '\n')
		if i >= 0 {
			line, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		if len(line) > 0 && line[len(line)-1] == '\r' {
			line = line[:len(line)-1]
		}
		if len(line) > 0 && (line[0] <= ' ' || line[len(line)-1] <= ' ') {
			line = bytes.Trim(line, " \t\r")
		}
		n += copy(p[n:], line)
	}
	return n
}

// stripSpace takes all white space out of p, in place.
func stripSpace(p []byte) int {
	n := 0
	for _, c := range p {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			p[n] = c
			n++
		}
	}
	return n
}
