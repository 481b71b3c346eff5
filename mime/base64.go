package mime

import (
	"encoding/base64"
	"fmt"
	"io"
)

// One line of base64: 57 octets make 76 characters (RFC 2045 §6.8).
const (
	lineOctets = 57
	lineChars  = 76
)

// Base64Size returns how many octets NewBase64Writer makes of n.
func Base64Size(n int64) int64 {
	chars := (n + 2) / 3 * 4
	lines := (chars + lineChars - 1) / lineChars
	return chars + 2*lines
}

// NewBase64Writer returns a writer that writes to w in base64, in lines of 76
// characters and CRLF, the last one included. Close writes what remains and
// does not close w.
func NewBase64Writer(w io.Writer) io.WriteCloser {
	return &base64Writer{w: w, out: blocks.Get().(*block)}
}

type base64Writer struct {
	w     io.Writer
	out   *block // nil after Close
	used  int    // octets of out that are filled with whole lines
	in    [lineOctets]byte
	inLen int // octets of in that wait for their line to fill
	err   error
}

// Write implements io.Writer.
func (b *base64Writer) Write(p []byte) (int, error) {
	if b.out == nil {
		return 0, fmt.Errorf("writing base64: %w", io.ErrClosedPipe)
	}
	total := len(p)
	if b.inLen > 0 {
		n := copy(b.in[b.inLen:], p)
		b.inLen += n
		p = p[n:]
		if b.inLen == lineOctets {
			b.inLen = 0
			b.line(b.in[:])
		}
	}
	for len(p) >= lineOctets {
		b.line(p[:lineOctets])
		p = p[lineOctets:]
	}
	if len(p) > 0 {
		b.inLen = copy(b.in[:], p)
	}
	if b.err != nil {
		return 0, b.err
	}
	return total, nil
}

// line encodes one line into the block and sends the block on when it is full.
func (b *base64Writer) line(p []byte) {
	if b.used+lineChars+2 > len(b.out) {
		b.flush()
	}
	out := b.out[b.used:]
	base64.StdEncoding.Encode(out, p)
	n := base64.StdEncoding.EncodedLen(len(p))
	b.used += n + copy(out[n:], crlf)
}

func (b *base64Writer) flush() {
	if b.err == nil {
		_, b.err = b.w.Write(b.out[:b.used])
	}
	b.used = 0
}

// Close implements io.Closer.
func (b *base64Writer) Close() error {
	if b.out == nil {
		return b.err
	}
	if b.inLen > 0 {
		b.line(b.in[:b.inLen])
	}
	b.flush()
	blocks.Put(b.out)
	b.out = nil
	return b.err
}
