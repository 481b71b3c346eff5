package pickup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A parsedBody is the body a session read last, with its structure, so that a
// client which takes a message in parts has it scanned once. Bodies never
// change.
type parsedBody struct {
	uid  uint32
	root *part
}

// A message is a body that is being fetched.
type message struct {
	ctx  context.Context
	uid  uint32
	body Body
	last *parsedBody

	outline keptOutline      // what was kept of it; nil: nothing
	made    func(root *part) // called with its parts where they had to be looked for; may be nil
	head    []byte           // the header with its empty line; nil: not read yet
}

// structure scans the body, or remembers it.
func (m *message) structure() (*part, error) {
	if m.last.root != nil && m.last.uid == m.uid {
		return m.last.root, nil
	}
	root, ok := m.outline.parts(m.body.Size())
	if !ok {
		var err error
		root, err = scanParts(m.ctx, m.body, m.body.Size())
		if err != nil {
			return nil, err
		}
		if m.made != nil {
			m.made(root)
		}
	}
	*m.last = parsedBody{uid: m.uid, root: root}
	return root, nil
}

// header reads the message's header, its empty line included, and little more.
// Without an empty line, or past maxHeader without one, the header ends there:
// header and text together are always the message.
func (m *message) header() ([]byte, error) {
	if m.head != nil {
		return m.head, nil
	}
	if head, ok := m.outline.head(); ok {
		m.head = head
		return head, nil
	}
	if m.outline == nil && m.made != nil { // what is read now is not read again
		root, err := m.structure()
		if err == nil && root.headed() { // of a damaged message there may be a header still
			m.head = root.head
			return m.head, nil
		}
	}
	last := min(m.body.Size(), maxHeader)
	for n := min(4<<10, last); ; n = min(4*n, last) {
		block, err := m.read(0, n)
		if err != nil {
			return nil, err
		}
		end, found := headerLength(block)
		if found || n == last {
			m.head = block[:end]
			return m.head, nil
		}
	}
}

// headerLength finds the end of the empty line after a header. If there is
// none, all is header.
func headerLength(block []byte) (int, bool) {
	for at := 0; at < len(block); {
		i := bytes.IndexByte(block[at:], '\n')
		if i < 0 {
			break
		}
		line := block[at : at+i+1]
		at += i + 1
		if blank(line) {
			return at, true
		}
	}
	return len(block), false
}

// A section is what a BODY[…] item asks for: a range of the message, or a
// selection of header fields.
type section struct {
	from, to int64
	text     bool   // what is to be read, and not the header of the message or of a part
	fields   []byte // instead of the range
	picked   bool
}

// stretch is what of the message's text it is, nil if it is nothing of it.
func (s section) stretch() *stretch {
	if !s.text {
		return nil
	}
	return &stretch{s.from, s.to}
}

// section finds the octets of an item (RFC 9051 §6.4.5.1). A part that is not
// there is empty.
func (m *message) section(item *imap.FetchItemBodySection) (section, error) {
	sec, err := m.wholeSection(item)
	if err != nil {
		return section{}, err
	}
	if len(item.HeaderFields) > 0 || len(item.HeaderFieldsNot) > 0 {
		block, err := m.read(sec.from, min(sec.to, sec.from+maxHeader))
		if err != nil {
			return section{}, err
		}
		sec = section{fields: pickFields(block, item), picked: true}
		sec.to = int64(len(sec.fields))
	}
	if p := item.Partial; p != nil {
		sec.from = min(sec.from+min(p.Offset, sec.to-sec.from), sec.to)
		sec.to = sec.from + min(p.Size, sec.to-sec.from)
		sec.text = sec.text && sec.from < sec.to
	}
	return sec, nil
}

func (m *message) wholeSection(item *imap.FetchItemBodySection) (section, error) {
	if len(item.Part) > 0 {
		root, err := m.structure()
		if err != nil {
			return section{}, err
		}
		return partSection(findPart(root, item.Part), item.Specifier), nil
	}
	if item.Specifier == imap.PartSpecifierNone {
		return section{to: m.body.Size(), text: true}, nil
	}
	head, err := m.header()
	if err != nil {
		return section{}, err
	}
	end := int64(len(head))
	if item.Specifier == imap.PartSpecifierText {
		return section{from: end, to: m.body.Size(), text: true}, nil
	}
	return section{to: end}, nil
}

// findPart follows part numbers. A message that is no multipart has one part,
// its body (RFC 9051 §6.4.5.1). It returns nil if there is no such part.
func findPart(p *part, path []int) *part {
	if len(path) > 2*maxDepth {
		return nil
	}
	root := p
	for i, n := range path {
		if i > 0 && p.message != nil {
			p, root = p.message, p.message
		}
		switch {
		case p.media.Multipart() && len(p.children) > 0:
			if n < 1 || n > len(p.children) {
				return nil
			}
			p = p.children[n-1]
			root = nil
		case n == 1 && p == root:
			root = nil // the body of a message counts as its part 1, once
		default:
			return nil
		}
	}
	return p
}

func partSection(p *part, what imap.PartSpecifier) section {
	switch {
	case p == nil:
		return section{}
	case what == imap.PartSpecifierMIME:
		return section{from: p.header, to: p.body}
	case what == imap.PartSpecifierNone:
		return section{from: p.body, to: p.end, text: true}
	case p.message == nil: // HEADER and TEXT are of messages only
		return section{}
	case what == imap.PartSpecifierHeader:
		return section{from: p.message.header, to: p.message.body, text: true}
	}
	return section{from: p.message.body, to: p.message.end, text: true}
}

// pickFields is HEADER.FIELDS and HEADER.FIELDS.NOT: the fields as they stand
// in the message, and an empty line.
func pickFields(block []byte, item *imap.FetchItemBodySection) []byte {
	names, want := item.HeaderFields, true
	if len(names) == 0 {
		names, want = item.HeaderFieldsNot, false
	}
	listed := make(map[string]bool, len(names))
	for _, n := range names {
		listed[strings.ToLower(n)] = true
	}
	var out bytes.Buffer
	for _, raw := range splitFields(block) {
		name, _, _ := bytes.Cut(raw, []byte{':'})
		if listed[strings.ToLower(string(bytes.TrimRight(name, " \t")))] != want {
			continue
		}
		out.Write(raw)
		if !bytes.HasSuffix(raw, []byte("\n")) {
			out.WriteString("\r\n")
		}
	}
	out.WriteString("\r\n")
	return out.Bytes()
}

// read returns a small range of the body.
func (m *message) read(from, to int64) ([]byte, error) {
	if m.knows(from, to) {
		return m.head[from:to], nil
	}
	return readRange(m.body, from, to)
}

func readRange(b io.ReaderAt, from, to int64) ([]byte, error) {
	buf := make([]byte, to-from)
	n, err := b.ReadAt(buf, from)
	if err != nil && (!errors.Is(err, io.EOF) || n < len(buf)) {
		return nil, fmt.Errorf("reading a range of a message: %w", err)
	}
	return buf, nil
}

// knows reports whether a range is of the header, and that was read.
func (m *message) knows(from, to int64) bool { return from <= to && to <= int64(len(m.head)) }

// open returns a reader of the section and its size. A message that is gone is known
// to be gone before anything of it is written.
func (m *message) open(s section) (io.Reader, int64, error) {
	size := s.to - s.from
	switch {
	case s.picked:
		return bytes.NewReader(s.fields[s.from:s.to]), size, nil
	case m.knows(s.from, s.to):
		return bytes.NewReader(m.head[s.from:s.to]), size, nil
	}
	if late, ok := m.body.(*lateBody); ok {
		err := late.ready()
		if err != nil {
			return nil, 0, fmt.Errorf("opening a message: %w", err)
		}
	}
	return io.NewSectionReader(m.body, s.from, size), size, nil
}
