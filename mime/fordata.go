package mime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
)

// ForData writes the message that open gives in the way that DATA of SMTP can carry:
// without a bare CR, a bare LF or a NUL (RFC 5321 §2.3.8, §4.5.2). Every body that has
// such, or a line above 998 octets (§4.5.3.1.6), is written in base64, so that each of
// its octets stays; of a text whose lines end in LF alone these become CR LF. In headers
// and between parts a bare CR and a NUL become spaces.
//
// A body that cannot be encoded is one inside of a multipart/signed, of a message of
// another type than message/rfc822, of an entity that cannot be read, or one that has an
// encoding already. The ends of its lines become CR LF, as RFC 8551 §3.1.1 has what is
// signed. A NUL in it is an error wrapping ErrNUL.
//
// The message is read up to three times. When DATA can carry it as it is, changed is
// false and nothing is written: the caller keeps the original. More or deeper parts than
// l allows are an error wrapping ErrLimit.
func ForData(w io.Writer, open func() (io.Reader, error), l Limits) (changed bool, err error) {
	fits, err := fitsData(open)
	if err != nil {
		return false, fmt.Errorf("looking for what DATA cannot carry: %w", err)
	}
	if fits {
		return false, nil
	}
	var s dataSurvey
	err = walkOpened(open, l, &s)
	if err != nil {
		return true, fmt.Errorf("looking for parts that DATA cannot carry: %w", err)
	}
	bw := bufio.NewWriterSize(w, blockSize)
	lines := newDataWriter(bw)
	err = walkOpened(open, l, &dataRecoder{recoder{w: lines, changes: s.changes}})
	if err == nil {
		err = lines.Close()
	}
	if err == nil {
		err = bw.Flush()
	}
	if err != nil {
		return true, fmt.Errorf("encoding parts for DATA: %w", err)
	}
	return true, nil
}

// NewDataReader returns a reader of r in which every line ends in CR LF, as NewCRLFReader
// has it, and a NUL is a space: whatever r is, DATA can carry it.
func NewDataReader(r io.Reader) io.Reader {
	c := &crlfReader{r: r, in: make([]byte, 16<<10)}
	c.w = newDataWriter(&c.out)
	return c
}

func newDataWriter(w io.Writer) *CRLFWriter { return NewCRLFWriter(noNUL{w}) }

// noNUL writes a space for each NUL.
type noNUL struct{ w io.Writer }

// Write implements io.Writer.
func (n noNUL) Write(p []byte) (int, error) {
	if bytes.IndexByte(p, 0) >= 0 {
		p = bytes.ReplaceAll(p, []byte{0}, []byte{' '})
	}
	return n.w.Write(p)
}

// fitsData reports whether DATA can carry a message as it is.
func fitsData(open func() (io.Reader, error)) (bool, error) {
	r, err := open()
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, CheckLines(r, 0))
	for _, odd := range []error{ErrBareCR, ErrBareLF, ErrNUL, ErrLineLength} {
		if errors.Is(err, odd) {
			return false, nil
		}
	}
	return err == nil, err
}

// isOdd reports whether whole lines have other ends than CR LF, or a NUL.
func isOdd(lines []byte) bool {
	c := lineChecker{max: math.MaxInt}
	_, err := c.check(lines)
	return err != nil
}

// unbroken returns lines with CR LF at their ends, and spaces for bare CRs. One that begins
// as a delimiter does, and is none for what becomes spaces, has a space before it: with
// those alone it might be one.
func unbroken(lines []byte) []byte {
	var b []byte
	for line := range bytes.Lines(lines) {
		text := trimBreak(line)
		if bytes.HasPrefix(text, []byte("--")) && bytes.ContainsAny(bytes.TrimRight(text, " \t\r"), "\r\x00") {
			b = append(b, ' ')
		}
		b = append(b, bytes.ReplaceAll(text, []byte{'\r'}, []byte{' '})...)
		if len(text) < len(line) {
			b = append(b, crlf...)
		}
	}
	return b
}

// A dataSurvey finds the bodies that DATA cannot carry as they are.
type dataSurvey struct {
	changes []change
	fixed   bool        // the body at hand cannot be encoded
	encoded bool        // and this one is
	text    bool        // it may have lines that end in LF
	lines   lineChecker // of it
}

func (s *dataSurvey) enter(e *entity) error {
	s.fixed = e.kind == kindBroken || e.signed || !identity(e.header) || strings.HasPrefix(e.media.Type, "message/") // RFC 2046 §5.2
	s.encoded, s.text = false, strings.HasPrefix(e.media.Type, "text/")
	s.lines = lineChecker{max: maxLine}
	c := change{}
	if e.kind != kindBroken && !e.signed && transferEncoding(e.header) == "binary" {
		c.encoding = "8bit" // as nothing else is left in it, RFC 3030 §3
	}
	s.changes = append(s.changes, c)
	return nil
}

func (s *dataSurvey) body(p []byte) error {
	if s.fixed && bytes.IndexByte(p, 0) >= 0 {
		return fmt.Errorf("%w: in part %d, which cannot be encoded", ErrNUL, len(s.changes))
	}
	for !s.fixed && !s.encoded {
		good, err := s.lines.check(p)
		switch {
		case err == nil:
			return nil
		case s.text && errors.Is(err, ErrBareLF):
			p, s.lines.line = p[good+1:], 0
		default:
			s.encode()
		}
	}
	return nil
}

func (s *dataSurvey) leave() error {
	if !s.fixed && s.lines.cr {
		s.encode()
	}
	return nil
}

func (s *dataSurvey) encode() {
	s.changes[len(s.changes)-1].encoding, s.encoded = "base64", true
}

func (s *dataSurvey) other([]byte) error { return nil }

// A dataRecoder is a recoder that leaves a message readable as MIME.
type dataRecoder struct{ recoder }

func (r *dataRecoder) enter(e *entity) error {
	if e.depth == 0 && r.changes[0].encoding == "base64" && !e.header.Has("MIME-Version") {
		err := e.header.Set("MIME-Version", "1.0") // RFC 2045 §4
		if err != nil {
			return err
		}
	}
	if !e.signed && isOdd(e.raw) {
		e.raw = unbroken(e.raw)
	}
	return r.recoder.enter(e)
}

func (r *dataRecoder) other(p []byte) error {
	if isOdd(p) { // no line is made of a part of one: it might look like a delimiter
		p = unbroken(p)
	}
	return r.recoder.other(p)
}
