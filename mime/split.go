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
// Part two is returned whole. Preamble, epilogue, padding after the boundary,
// bare LF line ends and a missing closing delimiter are tolerated (CP-3).
// Anything but two parts is an error wrapping ErrParts, a part two of more than
// MaxSignature one wrapping ErrLimit. What part1 got until an error is to be
// thrown away.
func SplitSigned(r io.Reader, boundary string, part1 io.Writer) (*Part, error) {
	if !validBoundary(boundary) {
		return nil, fmt.Errorf("%w: no usable boundary", ErrParts)
	}
	block := blocks.Get().(*block)
	defer blocks.Put(block)
	s := newSplitter(r, boundary, block[:])
	kind, err := s.copyUntilDelimiter(io.Discard)
	if err != nil {
		return nil, fmt.Errorf("reading the preamble: %w", err)
	}
	if kind != delimiterPart {
		return nil, fmt.Errorf("%w: no part at all", ErrParts)
	}
	kind, err = s.copyUntilDelimiter(part1)
	if err != nil {
		return nil, fmt.Errorf("reading the signed part: %w", err)
	}
	if kind != delimiterPart {
		return nil, fmt.Errorf("%w: one part alone", ErrParts)
	}
	held := capped{max: MaxSignature}
	kind, err = s.copyUntilDelimiter(&held)
	if err != nil {
		return nil, fmt.Errorf("reading the signature part: %w", err)
	}
	if kind == delimiterPart {
		return nil, fmt.Errorf("%w: a third part", ErrParts)
	}
	err = s.drain()
	if err != nil {
		return nil, fmt.Errorf("reading the epilogue: %w", err)
	}
	return parsePart(held.Bytes())
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
	buf      []byte
	data     []byte // unread octets inside of buf
	eof      bool
	bol      bool // data begins at the start of a line
}

func newSplitter(r io.Reader, boundary string, buf []byte) *splitter {
	return &splitter{
		r:        r,
		boundary: boundary,
		needle:   []byte("\n--" + boundary),
		buf:      buf,
		bol:      true,
	}
}

// fill reads until the window holds want octets or the input ends.
func (s *splitter) fill(want int) error {
	if len(s.data) >= want || s.eof {
		return nil
	}
	n := copy(s.buf, s.data)
	for empty := 0; n < want && !s.eof; {
		m, err := s.r.Read(s.buf[n:])
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
	s.data = s.buf[:n]
	return nil
}

// copyUntilDelimiter copies content to w up to the next delimiter line, which
// it consumes with the line break before it. delimiterNone means that the input
// ended instead.
func (s *splitter) copyUntilDelimiter(w io.Writer) (delimiterKind, error) {
	for {
		err := s.fill(len(s.buf) / 2)
		if err != nil {
			return delimiterNone, err
		}
		if s.bol {
			s.bol = false
			kind, length := s.delimiterAt(0)
			if kind != delimiterNone {
				s.consume(length)
				return kind, nil
			}
		}
		if len(s.data) == 0 {
			return delimiterNone, nil
		}
		kind, err := s.copySome(w)
		if kind != delimiterNone || err != nil {
			return kind, err
		}
	}
}

// copySome copies what is surely content and consumes a delimiter line if the
// content ends with one.
func (s *splitter) copySome(w io.Writer) (delimiterKind, error) {
	lf := bytes.Index(s.data, s.needle)
	if lf < 0 {
		return delimiterNone, s.emit(w, s.certain())
	}
	if !s.eof && len(s.data)-lf < delimiterRoom+2 && lf > 1 {
		// The line may go on behind the window: move it to the front first.
		return delimiterNone, s.emit(w, lf-1)
	}
	kind, length := s.delimiterAt(lf + 1)
	if kind == delimiterNone {
		return delimiterNone, s.emit(w, lf+1)
	}
	end := lf
	if lf > 0 && s.data[lf-1] == '\r' {
		end--
	}
	err := s.emit(w, end)
	s.consume(lf + 1 - end + length)
	return kind, err
}

// certain returns how many octets of a window without a delimiter can go: all
// but those with which one may begin.
func (s *splitter) certain() int {
	if s.eof {
		return len(s.data)
	}
	return max(0, len(s.data)-len(s.needle)-1)
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

func (s *splitter) emit(w io.Writer, n int) error {
	if n == 0 {
		return nil
	}
	_, err := w.Write(s.data[:n])
	s.data = s.data[n:]
	return err
}

// consume drops the end of a delimiter line. What follows begins a line.
func (s *splitter) consume(n int) {
	s.data = s.data[n:]
	s.bol = true
}

func (s *splitter) drain() error {
	s.data = nil
	if s.eof {
		return nil
	}
	_, err := io.Copy(io.Discard, s.r)
	return err
}
