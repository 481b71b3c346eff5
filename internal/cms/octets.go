package cms

import "io"

// octets streams the contents of an OCTET STRING, or of an IMPLICIT one, in
// whatever pieces the sender cut it (X.690 §8.7.3).
type octets struct {
	b    *berReader
	base int   // depth of the stack around the string
	left int64 // of the current piece
	done bool
	err  error // came with the last octets that were read
}

// newOctets begins at the element of header h, primitive or constructed.
func newOctets(b *berReader, h header) (*octets, error) {
	o := &octets{b: b, base: len(b.stack)}
	if !h.constructed() {
		o.left = h.length
		return o, nil
	}
	return o, b.enter(h)
}

// Read returns io.EOF when the string, its end-of-contents octets included,
// has been read.
func (o *octets) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for o.left == 0 {
		if o.done || len(o.b.stack) == o.base {
			o.done = true
			return 0, io.EOF
		}
		err := o.nextPiece()
		if err != nil {
			return 0, err
		}
	}
	if int64(len(p)) > o.left {
		p = p[:o.left]
	}
	if o.err != nil {
		return 0, readError(o.err)
	}
	n, err := o.b.r.Read(p)
	o.b.off += int64(n)
	o.left -= int64(n)
	if o.left > 0 {
		o.err = err
	}
	if n == 0 && err != nil {
		return 0, readError(err)
	}
	return n, nil
}

func (o *octets) nextPiece() error {
	h, more, err := o.b.nextChunk()
	switch {
	case err != nil:
		return err
	case !more:
		return o.b.leave()
	case h.tag == tagOctetString:
		o.left = h.length
		return nil
	case h.tag == tagOctetString|tagConstructed:
		return o.b.enter(h)
	}
	return malformed("a piece of the content is not an octet string")
}
