package cms

import (
	"fmt"
	"io"
)

// hold accounts for octets that stay in memory. It comes before every
// allocation whose size the message chose.
func (b *berReader) hold(n int64) error {
	if n > b.limits.Held-b.held {
		return fmt.Errorf("%w: more than %d octets to hold in memory", ErrLimit, b.limits.Held)
	}
	b.held += n
	return nil
}

// appendContents reads the contents of a primitive element.
func (b *berReader) appendContents(dst []byte, h header) ([]byte, error) {
	err := b.hold(h.length)
	if err != nil {
		return dst, err
	}
	return b.fill(append(dst, make([]byte, h.length)...), len(dst))
}

// fill reads octets into dst[start:].
func (b *berReader) fill(dst []byte, start int) ([]byte, error) {
	n, err := io.ReadFull(b.r, dst[start:])
	b.off += int64(n)
	if err != nil {
		return dst[:start], readError(err)
	}
	return dst, nil
}

// element reads the whole element of header h, with definite lengths of least
// size and joined octet strings: DER but for what only DER readers of the parts
// can see, such as the order of sets.
func (b *berReader) element(dst []byte, h header) ([]byte, error) {
	if h.is(tagOctetString) {
		return b.octetString(dst, h)
	}
	start := len(dst)
	var err error
	if h.constructed() {
		dst, err = b.children(dst, h)
	} else {
		dst, err = b.appendContents(dst, h)
	}
	if err != nil {
		return dst, err
	}
	return b.insertHeader(dst, start, h.tag)
}

// children is element for each part of a constructed element. The recursion is
// as deep as enter allows.
func (b *berReader) children(dst []byte, h header) ([]byte, error) {
	err := b.enter(h)
	if err != nil {
		return dst, err
	}
	for {
		child, more, err := b.next()
		if err != nil {
			return dst, err
		}
		if !more {
			return dst, b.leave()
		}
		dst, err = b.element(dst, child)
		if err != nil {
			return dst, err
		}
	}
}

// octetString reads an OCTET STRING, joining the pieces of a constructed one.
func (b *berReader) octetString(dst []byte, h header) ([]byte, error) {
	start := len(dst)
	if !h.constructed() {
		dst, err := b.appendContents(dst, h)
		if err != nil {
			return dst, err
		}
		return b.insertHeader(dst, start, tagOctetString)
	}
	base := len(b.stack)
	err := b.enter(h)
	if err != nil {
		return dst, err
	}
	for len(b.stack) > base {
		piece, more, err := b.next()
		switch {
		case err != nil:
		case !more:
			err = b.leave()
		case piece.tag == tagOctetString:
			dst, err = b.appendContents(dst, piece)
		case piece.tag == tagOctetString|tagConstructed:
			err = b.enter(piece)
		default:
			err = malformed("a piece of an octet string is none")
		}
		if err != nil {
			return dst, err
		}
	}
	return b.insertHeader(dst, start, tagOctetString)
}

// insertHeader puts tag and length before dst[start:].
func (b *berReader) insertHeader(dst []byte, start int, tag byte) ([]byte, error) {
	var space [maxHeader]byte
	head := appendHeader(space[:0], tag, int64(len(dst)-start))
	err := b.hold(int64(len(head)))
	if err != nil {
		return dst, err
	}
	dst = append(dst, head...)
	copy(dst[start+len(head):], dst[start:])
	copy(dst[start:], head)
	return dst, nil
}

// verbatim reads the whole element of header h as it was sent if its length is
// definite, and as element does if not. A certificate is read this way: nothing
// inside of it is this package's to change or to refuse.
func (b *berReader) verbatim(h header) ([]byte, error) {
	if h.length < 0 {
		return b.element(nil, h)
	}
	size := headerSize(h.length) + h.length
	err := b.hold(size)
	if err != nil {
		return nil, err
	}
	head := appendHeader(make([]byte, 0, size), h.tag, h.length)
	return b.fill(head[:size], len(head))
}

// skip passes over the element of header h.
func (b *berReader) skip(h header) error {
	if h.length >= 0 {
		return b.discard(h.length)
	}
	base := len(b.stack)
	err := b.enter(h)
	if err != nil {
		return err
	}
	for len(b.stack) > base {
		inner, more, err := b.next()
		switch {
		case err != nil:
		case !more:
			err = b.leave()
		case inner.length >= 0:
			err = b.discard(inner.length)
		default:
			err = b.enter(inner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *berReader) discard(n int64) error {
	for n > 0 {
		step := min(n, 1<<20)
		got, err := b.r.Discard(int(step))
		b.off += int64(got)
		n -= int64(got)
		if err != nil {
			return readError(err)
		}
	}
	return nil
}

// maxHeader is the longest header that appendHeader makes.
const maxHeader = 10

// appendHeader writes an identifier octet and a DER length (X.690 §10.1).
func appendHeader(dst []byte, tag byte, length int64) []byte {
	dst = append(dst, tag)
	if length < 0x80 {
		return append(dst, byte(length))
	}
	octets := 0
	for n := length; n > 0; n >>= 8 {
		octets++
	}
	dst = append(dst, 0x80|byte(octets))
	for i := octets - 1; i >= 0; i-- {
		dst = append(dst, byte(length>>(8*i)))
	}
	return dst
}

// headerSize is the length of what appendHeader writes.
func headerSize(length int64) int64 {
	var space [maxHeader]byte
	return int64(len(appendHeader(space[:0], 0, length)))
}
