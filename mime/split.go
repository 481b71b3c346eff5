package mime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrParts is wrapped by every error that says a multipart/signed is not made
// of exactly two parts.
var ErrParts = errors.New("not the two parts of a signed message")

// MaxSignature is how large the second part of a multipart/signed may be, in
// octets, its header included.
const MaxSignature = 1 << 20

// A Part is one part held in memory, its body still in its transfer encoding.
type Part struct {
	Header *Header
	Body   []byte
}

// SplitSigned reads the body of a multipart/signed to its end. The octets of
// part one go to part1 as they stream by, exactly: its header included, the
// line break before the delimiter excluded (RFC 1847 §2.1, RFC 2046 §5.1.1).
// Part two is returned whole. A preamble, an epilogue of ASCII text, padding
// after the boundary, bare LF line ends and a missing closing delimiter are
// tolerated (CP-3).
// Anything but two parts is an error wrapping ErrParts, a part two of more than
// MaxSignature one wrapping ErrLimit. What part1 got until an error is to be
// thrown away.
func SplitSigned(r io.Reader, boundary string, part1 io.Writer) (*Part, error) {
	s, err := newSplitter(r, boundary)
	if err != nil {
		return nil, err
	}
	defer s.release()
	err = s.copyPart(io.Discard, "no part at all")
	if err != nil {
		return nil, fmt.Errorf("reading the preamble: %w", err)
	}
	err = s.copyPart(part1, "one part alone")
	if err != nil {
		return nil, fmt.Errorf("reading the signed part: %w", err)
	}
	held := capped{max: MaxSignature}
	kind, err := s.copyUntilDelimiter(&held)
	if err != nil {
		return nil, fmt.Errorf("reading the signature part: %w", err)
	}
	if kind == delimiterPart {
		return nil, fmt.Errorf("%w: a third part", ErrParts)
	}
	err = s.epilogue()
	if err != nil {
		return nil, fmt.Errorf("reading the epilogue: %w", err)
	}
	return parsePart(held.Bytes())
}

// SignedPart returns a reader of part one of a multipart/signed, the same
// octets that SplitSigned hands over. Nothing behind the part is looked at, so
// the body should have been through SplitSigned before.
func SignedPart(r io.Reader, boundary string) (io.Reader, error) {
	s, err := newSplitter(r, boundary)
	if err != nil {
		return nil, err
	}
	err = s.copyPart(io.Discard, "no part at all")
	if err != nil {
		s.release()
		return nil, fmt.Errorf("reading the preamble: %w", err)
	}
	return &partReader{s: s}, nil
}

// A partReader reads up to the next delimiter.
type partReader struct {
	s   *splitter
	out []byte
	err error
}

// Read implements io.Reader.
func (p *partReader) Read(b []byte) (int, error) {
	for len(p.out) == 0 && p.err == nil {
		var kind delimiterKind
		p.out, kind, p.err = p.s.next()
		switch {
		case p.err != nil:
		case kind != delimiterNone:
			p.err = io.EOF
		case len(p.out) == 0:
			p.err = fmt.Errorf("%w: one part alone", ErrParts)
		}
	}
	if len(p.out) == 0 {
		p.s.release()
		return 0, p.err
	}
	n := copy(b, p.out)
	p.out = p.out[n:]
	return n, nil
}

func parsePart(raw []byte) (*Part, error) {
	br := bufio.NewReader(bytes.NewReader(raw))
	h, err := ReadHeader(br, Limits{})
	if err != nil {
		return nil, fmt.Errorf("signature part: %w", err)
	}
	body, err := io.ReadAll(br)
	if err != nil {
		return nil, fmt.Errorf("signature part: %w", err)
	}
	return &Part{Header: h, Body: body}, nil
}

// capped is a buffer that refuses to grow beyond max octets.
type capped struct {
	bytes.Buffer
	max int
}

// Write implements io.Writer.
func (c *capped) Write(p []byte) (int, error) {
	if c.Len()+len(p) > c.max {
		return 0, fmt.Errorf("%w: more than %d octets", ErrLimit, c.max)
	}
	return c.Buffer.Write(p)
}

// A splitter finds the delimiter lines of one boundary in a stream. It searches
// the window in bulk, since signed parts are long and delimiters are few.
type splitter struct {
	r        io.Reader
	boundary string
	needle   []byte // LF and the dash-boundary
	block    *block // nil when released
	data     []byte // unread octets inside of block
	eof      bool
	bol      bool          // data begins at the start of a line
	found    delimiterKind // a delimiter line at the front of data
	length   int           // of that line and of the line break before it
}

func newSplitter(r io.Reader, boundary string) (*splitter, error) {
	if !validBoundary(boundary) {
		return nil, fmt.Errorf("%w: no usable boundary", ErrParts)
	}
	return &splitter{
		r:        r,
		boundary: boundary,
		needle:   []byte("\n--" + boundary),
		block:    blocks.Get().(*block),
		bol:      true,
	}, nil
}

func (s *splitter) release() {
	if s.block != nil {
		blocks.Put(s.block)
		s.block, s.data = nil, nil
	}
}

// copyPart copies content to w up to a delimiter behind which a part follows.
func (s *splitter) copyPart(w io.Writer, otherwise string) error {
	kind, err := s.copyUntilDelimiter(w)
	if err == nil && kind != delimiterPart {
		err = fmt.Errorf("%w: %s", ErrParts, otherwise)
	}
	return err
}

// copyUntilDelimiter copies content to w up to the next delimiter line, which
// it consumes. delimiterNone means that the input ended instead.
func (s *splitter) copyUntilDelimiter(w io.Writer) (delimiterKind, error) {
	for {
		p, kind, err := s.next()
		if err != nil || kind != delimiterNone || len(p) == 0 {
			return kind, err
		}
		_, err = w.Write(p)
		if err != nil {
			return delimiterNone, err
		}
	}
}

// next returns some content, which is valid until the next call, or consumes a
// delimiter line with the line break before it. Neither means that the input
// ended.
func (s *splitter) next() ([]byte, delimiterKind, error) {
	for {
		if s.found != delimiterNone {
			kind := s.found
			s.found = delimiterNone
			s.data = s.data[s.length:]
			s.bol = true
			return nil, kind, nil
		}
		err := s.fill(blockSize / 2)
		if err != nil || len(s.data) == 0 {
			return nil, delimiterNone, err
		}
		n := s.content()
		if n > 0 {
			p := s.data[:n]
			s.data = s.data[n:]
			return p, delimiterNone, nil
		}
	}
}

// content returns how many octets at the front of data are surely content. If
// a delimiter line follows them, found and length are set.
func (s *splitter) content() int {
	if s.bol {
		s.bol = false
		s.found, s.length = s.delimiterAt(0)
		if s.found != delimiterNone {
			return 0
		}
	}
	lf := bytes.Index(s.data, s.needle)
	switch {
	case lf < 0 && s.eof:
		return len(s.data)
	case lf < 0:
		// All but that with which a delimiter may begin. Never 0: the window is
		// much longer than the needle.
		return len(s.data) - len(s.needle) - 1
	case !s.eof && len(s.data)-lf < delimiterRoom+2 && lf > 1:
		return lf - 1 // the line may go on behind the window: move it to the front
	}
	kind, length := s.delimiterAt(lf + 1)
	if kind == delimiterNone {
		return lf + 1
	}
	end := lf
	if lf > 0 && s.data[lf-1] == '\r' {
		end--
	}
	s.found, s.length = kind, lf+1-end+length
	return end
}

// delimiterAt judges the line that begins at i and returns its length with its
// line break.
func (s *splitter) delimiterAt(i int) (delimiterKind, int) {
	line := s.data[i:min(len(s.data), i+delimiterRoom)]
	lf := bytes.IndexByte(line, '\n')
	switch {
	case lf >= 0:
		line = line[:lf+1]
	case !s.eof || len(line) == delimiterRoom:
		return delimiterNone, 0
	}
	return delimiter(line, s.boundary), len(line)
}

// fill reads until the window holds want octets or the input ends.
func (s *splitter) fill(want int) error {
	if len(s.data) >= want || s.eof {
		return nil
	}
	n := copy(s.block[:], s.data)
	for empty := 0; n < want && !s.eof; {
		m, err := s.r.Read(s.block[n:])
		n += m
		if errors.Is(err, io.EOF) {
			s.eof = true
		} else if err != nil {
			return err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty > 100 {
			return io.ErrNoProgress
		}
	}
	s.data = s.block[:n]
	return nil
}

// epilogue reads to the end. Text is passed over (CP-3). Anything else is an
// error: the octets come out of CBC, where whoever appends blocks to a message
// of somebody else could learn from its being believed that the padding at the
// end was right, and so what the blocks say. With all but 1 in 10 million he
// makes octets that no text has.
func (s *splitter) epilogue() error {
	for {
		at := bytes.IndexFunc(s.data, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' && r != '\r' && r != '\n' })
		if at >= 0 {
			return fmt.Errorf("%w: what follows them is no text", ErrParts)
		}
		if s.eof {
			return nil
		}
		s.data = nil
		err := s.fill(1)
		if err != nil {
			return err
		}
	}
}
