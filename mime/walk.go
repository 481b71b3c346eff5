package mime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// An entityKind says how a walk goes on behind a header.
type entityKind int

const (
	kindLeaf      entityKind = iota // a body of octets
	kindMultipart                   // parts between delimiters
	kindWrapped                     // another message: message/rfc822
	kindBroken                      // a body that cannot be understood, nor be encoded anew
)

// An entity is one header that a walk met.
type entity struct {
	kind   entityKind
	raw    []byte // the header with its empty line; valid during the call only
	header *Header
	media  MediaType
	depth  int  // how many containers are around it
	signed bool // inside of a multipart/signed: not one octet may change
}

// A visitor is told what a walk meets. All octets it is given, in the order
// they come, are the message.
type visitor interface {
	enter(e *entity) error
	body(p []byte) error // of the leaf that was entered last; p must not be kept
	leave() error        // the end of that leaf
	other(p []byte) error
}

// A frame is a container that the walk is inside of.
type frame struct {
	boundary string // empty for message/rfc822, which ends with what holds it
	closed   bool   // its last delimiter is behind
	signed   bool   // it or one around it is a multipart/signed
	digest   bool   // its parts are message/rfc822 by default
}

type walkState int

const (
	inHeader walkState = iota
	inBody             // of a leaf
	between            // preamble, or epilogue
)

// A walker goes through a message line by line and holds one header at most.
// Nesting is a slice, not the stack of the program, and ends at limits.Depth.
type walker struct {
	in     *bufio.Reader
	limits Limits
	v      visitor
	frames []frame
	state  walkState
	head   []byte // lines of the header at hand
	held   []byte // a line break that may belong to a delimiter
	parts  int
	whole  bool // messages inside of the message are leaves
}

func walk(r io.Reader, l Limits, v visitor) error {
	return (&walker{limits: l.orDefaults(), v: v}).walk(r)
}

func (w *walker) walk(r io.Reader) error {
	w.in = bufio.NewReaderSize(r, blockSize)
	start := true // of a line
	for {
		piece, err := w.in.ReadSlice('\n')
		if len(piece) > 0 {
			stepErr := w.step(piece, start)
			if stepErr != nil {
				return stepErr
			}
			start = piece[len(piece)-1] == '\n'
		}
		switch {
		case err == nil, errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return w.finish(true)
		default:
			return fmt.Errorf("reading the message: %w", err)
		}
	}
}

// CheckStructure reads a message to its end and fails with an error wrapping
// ErrLimit when it has more or deeper entities than l allows, in time linear in
// its size.
func CheckStructure(r io.Reader, l Limits) error { return walk(r, l, nothing{}) }

// nothing is a visitor that looks at nothing.
type nothing struct{}

func (nothing) enter(*entity) error { return nil }
func (nothing) body([]byte) error   { return nil }
func (nothing) leave() error        { return nil }
func (nothing) other([]byte) error  { return nil }

// step takes a line, or a piece of one too long for the buffer.
func (w *walker) step(piece []byte, start bool) error {
	if start && bytes.HasPrefix(piece, []byte("--")) {
		i, kind := w.match(piece)
		if kind != delimiterNone {
			return w.delimit(piece, i, kind)
		}
	}
	switch w.state {
	case inHeader:
		return w.headerLine(piece, start)
	case inBody:
		return w.bodyPiece(piece)
	default:
		return w.v.other(piece)
	}
}

// match finds the innermost open multipart whose delimiter the line is. Outer
// ones count too: a part ends with what holds it (RFC 2046 §5.1.2).
func (w *walker) match(line []byte) (int, delimiterKind) {
	for i := len(w.frames) - 1; i >= 0; i-- {
		f := w.frames[i]
		if f.boundary == "" || f.closed {
			continue
		}
		kind := delimiter(line, f.boundary)
		if kind != delimiterNone {
			return i, kind
		}
	}
	return 0, delimiterNone
}

func (w *walker) delimit(line []byte, i int, kind delimiterKind) error {
	err := w.finish(false)
	if err != nil {
		return err
	}
	w.frames = w.frames[:i+1]
	w.state = inHeader
	if kind == delimiterClose {
		w.frames[i].closed = true
		w.state = between
	}
	return w.v.other(line)
}

// finish ends the header or body at hand. At the end of the message a held line
// break is part of the body, before a delimiter it is not.
func (w *walker) finish(atEnd bool) error {
	if w.state == inHeader {
		err := w.enter()
		if err != nil {
			return err
		}
	}
	if w.state != inBody {
		return nil
	}
	if atEnd {
		err := w.flush(w.v.body)
		if err != nil {
			return err
		}
	}
	err := w.v.leave()
	if err != nil {
		return err
	}
	return w.flush(w.v.other)
}

func (w *walker) flush(to func([]byte) error) error {
	if len(w.held) == 0 {
		return nil
	}
	err := to(w.held)
	w.held = w.held[:0]
	return err
}

func (w *walker) headerLine(piece []byte, start bool) error {
	w.head = append(w.head, piece...)
	if len(w.head) > w.limits.HeaderBytes {
		return fmt.Errorf("%w: more than %d octets of header", ErrLimit, w.limits.HeaderBytes)
	}
	if start && len(trimBreak(piece)) == 0 {
		return w.enter()
	}
	return nil
}

// bodyPiece passes on what is held and the piece, and holds its line break.
func (w *walker) bodyPiece(piece []byte) error {
	if len(w.held) == 1 && w.held[0] == '\r' && piece[0] == '\n' {
		w.held = append(w.held, '\n')
		return nil
	}
	err := w.flush(w.v.body)
	if err != nil {
		return err
	}
	text := trimBreak(piece)
	if len(text) == len(piece) {
		text = bytes.TrimSuffix(piece, []byte{'\r'}) // its LF may come yet
	}
	w.held = append(w.held, piece[len(text):]...)
	if len(text) == 0 {
		return nil
	}
	return w.v.body(text)
}

// enter reads the collected header and decides what follows it.
func (w *walker) enter() error {
	w.parts++
	if w.parts > w.limits.Parts {
		return fmt.Errorf("%w: more than %d parts", ErrLimit, w.limits.Parts)
	}
	e := w.entity()
	var f *frame
	switch e.kind {
	case kindMultipart:
		f = &frame{
			boundary: e.media.Params["boundary"],
			signed:   e.signed || e.media.Type == "multipart/signed",
			digest:   e.media.Type == "multipart/digest",
		}
		w.state = between
	case kindWrapped:
		f = &frame{signed: e.signed}
		w.state = inHeader
	default:
		w.state = inBody
	}
	if f != nil {
		if len(w.frames) >= w.limits.Depth {
			return fmt.Errorf("%w: parts nested more than %d deep", ErrLimit, w.limits.Depth)
		}
		w.frames = append(w.frames, *f)
	}
	err := w.v.enter(e)
	w.head = w.head[:0]
	return err
}

func (w *walker) entity() *entity {
	e := &entity{kind: kindBroken, raw: w.head, header: &Header{}, depth: len(w.frames)}
	parent := frame{}
	if len(w.frames) > 0 {
		parent = w.frames[len(w.frames)-1]
	}
	e.signed = parent.signed
	h, err := ReadHeader(bufio.NewReader(bytes.NewReader(w.head)), w.limits)
	if err != nil {
		return e
	}
	e.header = h
	e.media, err = h.ContentType()
	if err != nil {
		return e
	}
	if parent.digest && parent.boundary != "" && !h.Has("Content-Type") {
		e.media.Type = "message/rfc822" // RFC 2046 §5.1.5
	}
	switch {
	case strings.HasPrefix(e.media.Type, "multipart/"):
		if identity(h) && e.media.Multipart() {
			e.kind = kindMultipart
		}
	case e.media.Is("message/rfc822", "message/global") && identity(h) && !w.whole:
		e.kind = kindWrapped
	default:
		e.kind = kindLeaf
	}
	return e
}

// identity reports whether the body stands there as it is (RFC 2045 §6.2).
func identity(h *Header) bool {
	switch transferEncoding(h) {
	case "7bit", "8bit", "binary":
		return true
	}
	return false
}
