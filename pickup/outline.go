package pickup

import (
	"encoding/binary"
	"errors"
	"io"
)

// maxOutline is how many octets of headers an outline holds. A message with more is
// read where it lies.
const maxOutline = 48 << 10

// An Outliner makes the outline of a message that is written to it: all that lists of
// messages are made of, so that nobody has to read a body to show its line. What it
// holds are headers, which are as confidential as the message.
type Outliner struct{ scanner *scanner }

// NewOutliner returns an Outliner of an empty message.
func NewOutliner() *Outliner { return &Outliner{newScanner()} }

// Write takes the next octets of the message. It does not fail.
func (o *Outliner) Write(p []byte) (int, error) { return o.scanner.Write(p) }

// Outline ends the message and returns its outline, of less than 64 KiB.
func (o *Outliner) Outline() []byte { return encodeOutline(o.scanner.finish()) }

var _ io.Writer = (*Outliner)(nil)

// Forms of an outline. It is one octet with the form, for the header of the message
// and then for its parts.
const (
	outlineNone   = 0 // the headers are too long
	outlineHeader = 1 // the header of the message alone
	outlineParts  = 2 // all parts
)

// maxOutlineSize leaves room for the numbers of maxParts parts.
const maxOutlineSize = maxOutline + 14<<10

var errOutline = errors.New("an outline that is none")

func encodeOutline(root *part) []byte {
	if !root.headed() {
		return []byte{outlineNone}
	}
	out, ok := root.encode([]byte{outlineParts}, 0)
	if ok && len(out) <= maxOutlineSize {
		return out
	}
	return append([]byte{outlineHeader}, root.encodeHead(nil)...)
}

// headed reports whether the part keeps its header as it is.
func (p *part) headed() bool { return int64(len(p.head)) == p.body-p.header }

func (p *part) encodeHead(b []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(p.head))), p.head...)
}

// encode appends a part, whose header begins so many octets after what comes before.
func (p *part) encode(b []byte, before int64) ([]byte, bool) {
	if !p.headed() {
		return nil, false
	}
	b = p.encodeHead(b)
	inside := len(p.children)
	flags := byte(0)
	if p.more {
		flags |= 1
	}
	if p.message != nil {
		flags |= 2
		inside = 1
	}
	b = append(b, flags)
	for _, n := range []int64{p.header - before, p.end - p.body, p.lines, int64(inside)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	ok := true
	if p.message != nil {
		return p.message.encode(b, p.body)
	}
	at := p.body
	for _, c := range p.children {
		b, ok = c.encode(b, at)
		if !ok {
			return nil, false
		}
		at = c.header
	}
	return b, true
}

// A keptOutline is what was kept of a message. The zero keptOutline is of none.
type keptOutline []byte

// head returns the header of the message with its empty line, as it is.
func (o keptOutline) head() ([]byte, bool) {
	if len(o) == 0 || o[0] == outlineNone {
		return nil, false
	}
	d := outlineDecoder{b: o[1:]}
	head := d.octets()
	return head, d.err == nil
}

// parts returns the message of a size with its parts.
func (o keptOutline) parts(size int64) (*part, bool) {
	if len(o) == 0 || o[0] != outlineParts {
		return nil, false
	}
	d := outlineDecoder{b: o[1:], left: maxParts + 1}
	root := d.part(0, 0, size)
	if d.err != nil || len(d.b) > 0 || root.end != size {
		return nil, false
	}
	return root, true
}

// An outlineDecoder takes an outline apart. It believes nothing: what was kept by
// another version is made anew, and must not lead out of the message.
type outlineDecoder struct {
	b    []byte
	left int // parts that may come
	err  error
}

func (d *outlineDecoder) number(most int64) int64 {
	n, used := binary.Uvarint(d.b)
	if used <= 0 || most < 0 || n > uint64(most) {
		d.err = errOutline
		return 0
	}
	d.b = d.b[used:]
	return int64(n)
}

func (d *outlineDecoder) octets() []byte {
	n := d.number(maxOutline)
	if n > int64(len(d.b)) {
		d.err = errOutline
	}
	if d.err != nil {
		return nil
	}
	out := d.b[:n:n]
	d.b = d.b[n:]
	return out
}

func (d *outlineDecoder) flags() byte {
	if len(d.b) == 0 {
		d.err = errOutline
		return 0
	}
	f := d.b[0]
	d.b = d.b[1:]
	return f
}

// part decodes a part that lies between two places: behind the beginning of what it is
// in, and before the end of the message.
func (d *outlineDecoder) part(depth int, from, to int64) *part {
	p := new(part)
	d.left--
	if d.left < 0 || depth > maxDepth+1 {
		d.err = errOutline
		return p
	}
	p.head = d.octets()
	flags := d.flags()
	p.header = from + d.number(to-from)
	p.body = p.header + int64(len(p.head))
	p.end = p.body + d.number(to-p.body)
	p.lines = d.number(to)
	inside := d.number(maxParts)
	if d.err != nil {
		return p
	}
	p.more = flags&1 != 0
	p.describe(parseHeader(p.head))
	if flags&2 != 0 {
		p.message = d.part(depth+1, p.body, to)
		return p
	}
	at := p.body
	for ; inside > 0 && d.err == nil; inside-- {
		c := d.part(depth+1, at, to)
		at = c.header
		p.children = append(p.children, c)
	}
	return p
}
