package pickup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"postern/mime"
)

// Bounds on what is understood of a message's structure. Beyond them a part is
// still there, as one piece.
const (
	maxDepth      = 50        // entities inside of entities
	maxParts      = 1000      // of one message
	maxHeader     = 256 << 10 // octets of a header that are looked at
	maxPartHeader = 64 << 10
)

// A part is a MIME entity at its place in a message, which stays unread.
type part struct {
	header int64 // where the header begins
	body   int64 // where the body begins, after the empty line
	end    int64 // where the body ends
	lines  int64 // line breaks in the body
	media  mime.MediaType
	cte    string // transfer encoding in lower case; "" if none is given
	head   []byte // the header with its empty line; nil if it is not kept

	children []*part // of a multipart
	more     bool    // it has parts that are not among its children
	message  *part   // of a message/rfc822: the message inside
}

// scanParts reads a message once and finds its parts. It needs memory for the
// parts and one header, and time linear in the size.
func scanParts(ctx context.Context, b io.ReaderAt, size int64) (*part, error) {
	s := newScanner()
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	_, err := io.CopyBuffer(s, ctxReader{ctx, io.NewSectionReader(b, 0, size)}, *buf)
	if err != nil {
		return nil, fmt.Errorf("reading the structure of a message: %w", err)
	}
	return s.finish(), nil
}

// maxLine is how much of a line is looked at as one. What is longer is text, and
// goes through in pieces.
const maxLine = 64 << 10

// A scanner goes through a message line by line, as it is written to it.
type scanner struct {
	root   *part
	line   []byte // what came of a line that is not whole yet
	inside bool   // of a line that came in pieces: the beginning was looked at
	at     int64  // the offset of the next line
	breaks int64  // line breaks before it
	last   int    // octets of the last line break: 0, 1 or 2
	parts  int
	open   []*level // from the message to the innermost part
	header []byte   // of the innermost part, while it is read
	kept   int      // octets of headers that parts keep

	compared int // how often a line was held against a boundary
}

func newScanner() *scanner {
	root := &part{}
	return &scanner{root: root, parts: 1, open: []*level{{part: root, inHeader: true}}}
}

// A level is a part whose end has not come yet.
type level struct {
	part     *part
	inHeader bool
	boundary string // of a multipart, after its header
	past     bool   // of a multipart: its closing delimiter was seen
	before   int64  // line breaks before the body
}

// Write takes the next octets. It does not fail.
func (s *scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, end := p, bytes.IndexByte(p, '\n')
		if end >= 0 {
			line = p[:end+1]
		}
		p = p[len(line):]
		if len(s.line) == 0 && end >= 0 {
			s.piece(line, true)
			continue
		}
		s.line = append(s.line, line...)
		if end >= 0 || len(s.line) >= maxLine {
			s.piece(s.line, end >= 0)
			s.line = s.line[:0]
		}
	}
	return n, nil
}

// finish ends the message and returns it.
func (s *scanner) finish() *part {
	if len(s.line) > 0 {
		s.piece(s.line, true)
	}
	s.closeTo(0, s.at, s.breaks)
	return s.root
}

// piece takes a line, or a piece of a long one; ended says that it is the last of
// the line. Only the beginning of a line is looked at in a body.
func (s *scanner) piece(p []byte, ended bool) {
	switch {
	case s.inside:
		s.keep(p)
	case !ended || !s.delimiter(p, s.at):
		s.content(p)
	}
	s.inside = !ended
	s.advance(p)
	if s.last > 0 {
		s.afterLine()
	}
}

func (s *scanner) advance(piece []byte) {
	s.at += int64(len(piece))
	s.last = 0
	switch {
	case bytes.HasSuffix(piece, []byte("\r\n")):
		s.last = 2
	case bytes.HasSuffix(piece, []byte("\n")):
		s.last = 1
	}
	if s.last > 0 {
		s.breaks++
	}
}

func (s *scanner) innermost() *level { return s.open[len(s.open)-1] }

// content takes a line that is no delimiter.
func (s *scanner) content(piece []byte) {
	top := s.innermost()
	if !top.inHeader {
		return
	}
	s.keep(piece)
	if blank(piece) {
		top.inHeader = false
	}
}

// keep remembers a header line of the innermost part, within bounds.
func (s *scanner) keep(piece []byte) {
	if !s.innermost().inHeader {
		return
	}
	limit := maxPartHeader
	if len(s.open) == 1 {
		limit = maxHeader
	}
	if len(s.header)+len(piece) <= limit {
		s.header = append(s.header, piece...)
	}
}

// afterLine begins a body when the line before ended a header.
func (s *scanner) afterLine() {
	top := s.innermost()
	if top.inHeader || top.part.body != 0 {
		return
	}
	s.begin(top)
}

// begin looks at a complete header, and opens what is inside of the body.
func (s *scanner) begin(top *level) {
	top.part.body = s.at
	top.before = s.breaks
	s.understand(top.part)
	if len(s.open) > maxDepth {
		return
	}
	switch {
	case top.part.media.Multipart():
		top.boundary = top.part.media.Params["boundary"]
	case isMessage(top.part) && s.parts < maxParts:
		top.part.message = &part{header: s.at}
		s.push(top.part.message)
	}
}

func (s *scanner) push(p *part) {
	s.parts++
	s.open = append(s.open, &level{part: p, inHeader: true})
	s.header = s.header[:0]
}

func (s *scanner) understand(p *part) {
	p.describe(parseHeader(s.header))
	if len(s.header) > 0 && s.kept+len(s.header) <= maxOutline {
		p.head = bytes.Clone(s.header)
		s.kept += len(p.head)
	}
	s.header = s.header[:0]
}

// describe takes from a header what its body is.
func (p *part) describe(h *mime.Header) {
	p.media = contentType(h)
	p.cte = strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding")))
}

// isMessage reports whether the body of p is a message that can be read in
// place, which an encoded one cannot (RFC 2046 §5.2.1).
func isMessage(p *part) bool {
	if !p.media.Is("message/rfc822", "message/global") {
		return false
	}
	return p.cte == "" || p.cte == "7bit" || p.cte == "8bit" || p.cte == "binary"
}

// delimiter acts on a boundary line of any open multipart. An outer one ends
// all that is inside (RFC 2046 §5.1.2).
func (s *scanner) delimiter(line []byte, start int64) bool {
	rest, dashes := bytes.CutPrefix(line, []byte("--"))
	if !dashes {
		return false
	}
	rest = bytes.TrimRight(rest, " \t\r\n")
	for i := len(s.open) - 1; i >= 0; i-- {
		l := s.open[i]
		if l.boundary == "" || l.past {
			continue
		}
		s.compared++
		after, found := bytes.CutPrefix(rest, []byte(l.boundary))
		if !found || len(after) > 0 && string(after) != "--" {
			continue
		}
		s.closeTo(i+1, start-int64(s.last), s.breaksBefore())
		if len(after) > 0 {
			l.past = true
		} else {
			s.child(i, start+int64(len(line)))
		}
		return true
	}
	return false
}

// breaksBefore counts without the line break that belongs to the delimiter
// (RFC 2046 §5.1.1).
func (s *scanner) breaksBefore() int64 {
	if s.last > 0 {
		return s.breaks - 1
	}
	return s.breaks
}

// child opens the next part of the multipart at level i.
func (s *scanner) child(i int, at int64) {
	if s.parts >= maxParts {
		s.open[i].past = true // the rest is epilogue
		s.open[i].part.more = true
		return
	}
	p := &part{header: at}
	s.open[i].part.children = append(s.open[i].part.children, p)
	s.push(p)
}

// closeTo ends all levels from n on, at the offset end.
func (s *scanner) closeTo(n int, end, breaks int64) {
	for i := len(s.open) - 1; i >= n; i-- {
		l := s.open[i]
		p := l.part
		p.end = max(end, p.header)
		if p.body == 0 { // the header never ended
			s.understand(p)
			p.body = p.end
			l.before = breaks
		}
		p.end = max(p.end, p.body)
		p.lines = max(breaks-l.before, 0)
		s.open = s.open[:i]
	}
}
