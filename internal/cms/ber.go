package cms

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Identifier octets (X.690 §8.1.2) as this package meets them.
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagNull        = 0x05
	tagOID         = 0x06
	tagSequence    = 0x30
	tagSet         = 0x31
	tagContext0    = 0x80 // IMPLICIT primitive
	tagContext1    = 0x81
	tagContext2    = 0x82
	tagConstructed = 0x20
)

const indefinite = -1

// A header is the identifier and the length of one BER element.
type header struct {
	tag    byte  // the identifier octet, constructed bit and all
	length int64 // octets of contents, or indefinite
}

func (h header) constructed() bool { return h.tag&tagConstructed != 0 }

// is reports whether the element has this tag in primitive or constructed form.
func (h header) is(tag byte) bool { return h.tag&^tagConstructed == tag&^tagConstructed }

// A frame is an element that has been entered and not been left.
type frame struct {
	end    int64 // offset after the contents, or indefinite
	limit  int64 // the nearest definite end around it, or indefinite if there is none
	closed bool  // its end-of-contents octets have been read
}

// A berReader walks BER element by element, without recursion and without
// looking back: the work is linear in the input however it is nested. It holds
// nothing but the stack of open elements.
type berReader struct {
	r      *bufio.Reader
	off    int64
	stack  []frame
	limits Limits
	nodes  int
	chunks int
	held   int64
}

// newBERReader reads from r, which has size octets, or an unknown number if
// size is indefinite. release gives the buffer back.
func newBERReader(r io.Reader, size int64, l Limits) *berReader {
	b := &berReader{r: getBufferedReader(r), limits: l.withDefaults()}
	b.stack = append(make([]frame, 0, 12), frame{end: size, limit: size})
	return b
}

func (b *berReader) release() {
	if b.r != nil {
		putBufferedReader(b.r)
		b.r = nil
	}
}

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, a...))
}

// readError tells a message that was cut short from a reader that failed.
func readError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return malformed("it ends too early")
	}
	return fmt.Errorf("reading the message: %w", err)
}

func (b *berReader) top() *frame { return &b.stack[len(b.stack)-1] }

func (b *berReader) octet() (byte, error) {
	if limit := b.top().limit; limit >= 0 && b.off >= limit {
		return 0, malformed("an element crosses the end of the one around it")
	}
	c, err := b.r.ReadByte()
	if err != nil {
		return 0, readError(err)
	}
	b.off++
	return c, nil
}

// next reads the header of the next element inside the innermost open one, and
// reports false if there is none left.
func (b *berReader) next() (header, bool, error) {
	b.nodes++
	if b.nodes > b.limits.Nodes {
		return header{}, false, fmt.Errorf("%w: more than %d elements", ErrLimit, b.limits.Nodes)
	}
	return b.read()
}

// nextChunk is next for the pieces of a chunked content, which may be many.
func (b *berReader) nextChunk() (header, bool, error) {
	b.chunks++
	if b.chunks > maxChunks {
		return header{}, false, fmt.Errorf("%w: content in more than %d pieces", ErrLimit, maxChunks)
	}
	return b.read()
}

func (b *berReader) read() (header, bool, error) {
	f := b.top()
	if f.closed || f.end >= 0 && b.off == f.end {
		return header{}, false, nil
	}
	tag, err := b.octet()
	if err != nil {
		return header{}, false, err
	}
	if tag == 0 {
		return header{}, false, b.endOfContents(f)
	}
	if tag&0x1f == 0x1f {
		return header{}, false, malformed("tag numbers above 30 have no place here")
	}
	h := header{tag: tag}
	h.length, err = b.lengthOctets(h.constructed())
	return h, err == nil, err
}

// endOfContents reads the second of the two zero octets (X.690 §8.1.5).
func (b *berReader) endOfContents(f *frame) error {
	zero, err := b.octet()
	if err != nil {
		return err
	}
	if zero != 0 || f.end >= 0 || len(b.stack) == 1 {
		return malformed("end-of-contents octets out of place")
	}
	f.closed = true
	return nil
}

// lengthOctets reads a length (X.690 §8.1.3) and holds it against the end of
// the element around.
func (b *berReader) lengthOctets(constructed bool) (int64, error) {
	first, err := b.octet()
	if err != nil {
		return 0, err
	}
	if first == 0x80 {
		if !constructed {
			return 0, malformed("a primitive element of indefinite length")
		}
		return indefinite, nil
	}
	length := int64(first)
	if first > 0x80 {
		length, err = b.longLength(int(first & 0x7f))
		if err != nil {
			return 0, err
		}
	}
	if limit := b.top().limit; limit >= 0 && length > limit-b.off {
		return 0, malformed("an element crosses the end of the one around it")
	}
	return length, nil
}

func (b *berReader) longLength(octets int) (int64, error) {
	if octets > 8 {
		return 0, malformed("a length of %d octets", octets)
	}
	var length int64
	for range octets {
		c, err := b.octet()
		if err != nil {
			return 0, err
		}
		if length > 1<<48 { // far above any message, far below an overflow of offsets
			return 0, malformed("an impossible length")
		}
		length = length<<8 | int64(c)
	}
	return length, nil
}

// enter opens a constructed element, so that next reads what is inside.
func (b *berReader) enter(h header) error {
	if !h.constructed() {
		return malformed("a primitive element where a constructed one belongs")
	}
	if len(b.stack) > b.limits.Depth {
		return fmt.Errorf("%w: nested deeper than %d", ErrLimit, b.limits.Depth)
	}
	f := frame{end: indefinite, limit: b.top().limit}
	if h.length >= 0 {
		f.end = b.off + h.length
		f.limit = f.end
	}
	b.stack = append(b.stack, f)
	return nil
}

// leave closes the innermost open element, which must be at its end.
func (b *berReader) leave() error {
	_, more, err := b.read()
	if err != nil {
		return err
	}
	if more {
		return malformed("an element has more parts than it should")
	}
	b.stack = b.stack[:len(b.stack)-1]
	return nil
}

// finish checks that everything was left and that nothing follows.
func (b *berReader) finish() error {
	if len(b.stack) != 1 {
		return malformed("it ends inside of an element")
	}
	_, err := b.r.ReadByte()
	if err == nil {
		return malformed("octets follow its end")
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return readError(err)
}

// want reads the next header and requires its tag, in the form given.
func (b *berReader) want(tag byte, what string) (header, error) {
	h, ok, err := b.next()
	if err != nil {
		return h, fmt.Errorf("reading %s: %w", what, err)
	}
	if !ok || h.tag != tag {
		return h, malformed("%s is missing", what)
	}
	return h, nil
}

// wantInside is want and enter.
func (b *berReader) wantInside(tag byte, what string) error {
	h, err := b.want(tag, what)
	if err != nil {
		return err
	}
	return b.enter(h)
}

// leaveAll leaves n elements.
func (b *berReader) leaveAll(n int) error {
	for range n {
		err := b.leave()
		if err != nil {
			return err
		}
	}
	return nil
}
