package pickup

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"

	"postern/mime"
)

// pieceSize is how much of a body is held at a time.
const pieceSize = 256 << 10

// pieces are buffers for copying bodies.
var pieces = sync.Pool{New: func() any { b := make([]byte, pieceSize); return &b }}

// Fetch sends what is asked for of messages (RFC 9051 §6.4.5).
func (s *session) Fetch(w *imapserver.FetchWriter, set imap.NumSet, o *imap.FetchOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.selected()
	if err != nil {
		return err
	}
	if !sections(o) {
		return bad("There are no such sections")
	}
	if len(o.BodySection)+len(o.BinarySection)+len(o.BinarySectionSize) > maxSections {
		return no(imap.ResponseCodeLimit, "Too many sections")
	}
	missing := false
	for positions := s.changed(v, v.resolve(set)); len(positions) > 0; {
		n := v.block(positions, o)
		gone, err := s.fetchBlock(w, v, positions[:n], o)
		if err != nil {
			return s.reply("fetch", err)
		}
		missing = missing || gone
		positions = positions[n:]
		if len(positions) > 0 { // the last goes out with the end of the command
			_ = s.front.wire.flush() // its error stays with it
		}
	}
	if missing {
		return no(codeExpungeIssued, "Some of the messages are gone")
	}
	return nil
}

// fetchBlock notes that some messages are about to be read and sends them. missing says
// that some are gone.
func (s *session) fetchBlock(w *imapserver.FetchWriter, v *view, positions []int, o *imap.FetchOptions) (missing bool, err error) {
	seen, err := s.mark(v, positions, o)
	if err != nil {
		return false, err
	}
	a := &ahead{ctx: s.ctx, view: v, log: s.log}
	defer a.keep()
	for k, i := range positions {
		if k%outlinesAtOnce == 0 && lists(o) {
			a.look(positions[k:])
		}
		uid := v.entries[i].UID
		whole, err := s.fetchOne(w, a, i, o, seen[uid])
		if errors.Is(err, ErrNoMessage) && !errors.Is(err, errBroken) {
			missing = true // another session removed it; the rest is still wanted
			continue
		}
		if err != nil {
			return missing, err
		}
		if whole {
			s.took(uid)
		}
	}
	return missing, nil
}

// fetchOne sends one message. Everything that may fail for a reason the client
// can be told is done before the first octet is written. whole says that the client
// now has all of the message's text.
func (s *session) fetchOne(w *imapserver.FetchWriter, a *ahead, i int, o *imap.FetchOptions, seen bool) (whole bool, err error) {
	e := &a.view.entries[i]
	var m *message
	if needsBody(o) {
		m = a.message(i, &s.parsed)
	}
	f, err := m.prepare(o)
	if err != nil {
		return false, err
	}
	if s.asked.modSeq || seen && s.aware {
		s.tellModSeq(uint32(i+1), e.ModSeq)
	}
	out := w.CreateMessage(uint32(i + 1))
	out.WriteUID(imap.UID(e.UID)) // also unasked: it helps, and RFC 9051 §7.5.2 allows it
	if o.Flags || seen {
		out.WriteFlags(wireFlags(e.Flags))
	}
	if o.InternalDate {
		out.WriteInternalDate(e.Received)
	}
	if o.RFC822Size {
		out.WriteRFC822Size(e.Size)
	}
	err = f.write(out)
	if err != nil {
		// The response is broken in the middle: nothing more may follow it, not
		// even its end.
		s.hangUp()
		err = fmt.Errorf("%w: %w", errBroken, err)
	}
	end := out.Close()
	if err == nil && end != nil {
		err = fmt.Errorf("%w: %w: %w", errBroken, errUnwritten, end)
	}
	if err != nil || len(f.literals) == 0 {
		return false, err
	}
	return a.view.taken.took(m, f.literals)
}

// sections reports whether what is asked for can be a section: parts count from 1, and
// MIME is of a part (RFC 9051 §9, section-spec).
func sections(o *imap.FetchOptions) bool {
	var parts [][]int
	for _, b := range o.BodySection {
		if b.Specifier == imap.PartSpecifierMIME && len(b.Part) == 0 {
			return false
		}
		parts = append(parts, b.Part)
	}
	for _, b := range o.BinarySection {
		parts = append(parts, b.Part)
	}
	for _, b := range o.BinarySectionSize {
		parts = append(parts, b.Part)
	}
	return !slices.ContainsFunc(parts, func(p []int) bool { return slices.Contains(p, 0) })
}

// maxSections bounds the sections of one FETCH.
const maxSections = 64

var (
	// errBroken says that a response broke off and the connection is closed.
	errBroken = errors.New("a response broke off")
	// errUnwritten says that the far side did not take what was written.
	errUnwritten = errors.New("the client went away")
)

func needsBody(o *imap.FetchOptions) bool {
	return o.Envelope || o.BodyStructure != nil ||
		len(o.BodySection) > 0 || len(o.BinarySection) > 0 || len(o.BinarySectionSize) > 0
}

// fetched is what is to be written of a body.
type fetched struct {
	envelope  *imap.Envelope
	structure imap.BodyStructure
	literals  []literal
	sizes     []binarySize
}

// A literal is an item with octets of known number.
type literal struct {
	begin func(out *imapserver.FetchResponseWriter, size int64) io.WriteCloser
	from  io.Reader
	size  int64
	of    *stretch // what it is of the message's text; nil: nothing of it
}

type binarySize struct {
	item *imap.FetchItemBinarySectionSize
	size uint32
}

// prepare finds everything asked for of the body. m is nil if nothing is.
func (m *message) prepare(o *imap.FetchOptions) (*fetched, error) {
	f := new(fetched)
	if m == nil {
		return f, nil
	}
	err := m.describe(f, o)
	if err != nil {
		return nil, err
	}
	for _, item := range o.BodySection {
		sec, err := m.section(item)
		if err != nil {
			return nil, err
		}
		r, size, err := m.open(sec)
		if err != nil {
			return nil, err
		}
		f.literals = append(f.literals, literal{from: r, size: size, of: sec.stretch(),
			begin: func(out *imapserver.FetchResponseWriter, size int64) io.WriteCloser {
				return out.WriteBodySection(item, size)
			}})
	}
	return f, m.prepareBinary(f, o)
}

// describe makes ENVELOPE and BODYSTRUCTURE.
func (m *message) describe(f *fetched, o *imap.FetchOptions) error {
	if o.Envelope {
		h, err := m.topHeader()
		if err != nil {
			return err
		}
		f.envelope = envelope(h)
	}
	if o.BodyStructure != nil {
		root, err := m.structure()
		if err != nil {
			return err
		}
		f.structure, err = m.bodyStructure(root)
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *message) topHeader() (*mime.Header, error) {
	block, err := m.header()
	if err != nil {
		return nil, err
	}
	return parseHeader(block), nil
}

func (f *fetched) write(out *imapserver.FetchResponseWriter) error {
	if f.envelope != nil {
		out.WriteEnvelope(f.envelope)
	}
	if f.structure != nil {
		out.WriteBodyStructure(f.structure)
	}
	for _, s := range f.sizes {
		out.WriteBinarySectionSize(s.item, s.size)
	}
	for _, l := range f.literals {
		err := l.write(out)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l literal) write(out *imapserver.FetchResponseWriter) error {
	w := l.begin(out, l.size)
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{w}, io.LimitReader(l.from, l.size), *buf)
	if err == nil && n < l.size {
		err = io.ErrUnexpectedEOF
	}
	end := w.Close()
	if err == nil && end != nil {
		err = fmt.Errorf("%w: %w", errUnwritten, end)
	}
	if err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	return nil
}

// onlyWriter keeps io.CopyBuffer from finding a way around its buffer, and
// names the errors of writing.
type onlyWriter struct{ w io.Writer }

func (o onlyWriter) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil {
		return n, fmt.Errorf("%w: %w", errUnwritten, err)
	}
	return n, nil
}
