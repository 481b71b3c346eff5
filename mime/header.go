package mime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ErrHeader is wrapped by every error that says a header is malformed, whether
// it was read or about to be written.
var ErrHeader = errors.New("malformed header")

// A Field is one header field as it came.
type Field struct {
	Name string // without the colon, in the case it came in
	Raw  []byte // the whole field, folds and final line break included
}

// Value returns the text after the colon, unfolded (RFC 5322 §2.2.3) and
// without white space at its ends. Encoded words stay as they are.
func (f Field) Value() string {
	_, value, _ := bytes.Cut(f.Raw, []byte{':'})
	return strings.Trim(unfold(value), " \t")
}

// unfold takes the line breaks out; the white space of the folds stays.
func unfold(raw []byte) string {
	if bytes.IndexByte(raw, '\n') < 0 {
		return string(raw)
	}
	var b strings.Builder
	b.Grow(len(raw))
	for line := range bytes.Lines(raw) {
		b.Write(trimBreak(line))
	}
	return b.String()
}

// trimBreak cuts one final CRLF or LF.
func trimBreak(line []byte) []byte {
	line, cut := bytes.CutSuffix(line, []byte{'\n'})
	if cut {
		line = bytes.TrimSuffix(line, []byte{'\r'})
	}
	return line
}

// A Header is the fields of an entity in their order, each kept as it came. The
// zero Header has no fields and is ready for use.
type Header struct {
	fields []Field
}

// Fields returns the fields in order. The caller must not change them.
func (h *Header) Fields() []Field { return h.fields }

// Get returns the value of the first field of this name, unfolded, and "" when
// there is none. Names are compared without regard to case.
func (h *Header) Get(name string) string {
	for _, f := range h.fields {
		if strings.EqualFold(f.Name, name) {
			return f.Value()
		}
	}
	return ""
}

// Values returns the values of all fields of this name, in order, unfolded.
func (h *Header) Values(name string) []string {
	var values []string
	for _, f := range h.fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Count returns how many fields have this name.
func (h *Header) Count(name string) int {
	n := 0
	for _, f := range h.fields {
		if strings.EqualFold(f.Name, name) {
			n++
		}
	}
	return n
}

// Has reports whether a field has this name.
func (h *Header) Has(name string) bool { return h.Count(name) > 0 }

// Add appends a new field, folded to lines of at most 76 characters. The value
// must be printable ASCII (RFC 2047 is the caller's) and free of line breaks;
// anything else is an error wrapping ErrHeader and changes nothing.
func (h *Header) Add(name, value string) error {
	f, err := newField(name, value)
	if err != nil {
		return err
	}
	h.fields = append(h.fields, f)
	return nil
}

// Prepend puts a new field before all others, under the rules of Add.
func (h *Header) Prepend(name, value string) error {
	f, err := newField(name, value)
	if err != nil {
		return err
	}
	h.fields = slices.Insert(h.fields, 0, f)
	return nil
}

// Set puts a new field in the place of the first of this name and deletes the
// others of this name, or appends it when there is none. The rules of Add bind.
func (h *Header) Set(name, value string) error {
	f, err := newField(name, value)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(h.fields, func(g Field) bool { return strings.EqualFold(g.Name, name) })
	if at < 0 {
		h.fields = append(h.fields, f)
		return nil
	}
	rest := slices.Clone(h.fields[at+1:])
	h.fields = append(h.fields[:at:at], f)
	for _, g := range rest {
		if !strings.EqualFold(g.Name, name) {
			h.fields = append(h.fields, g)
		}
	}
	return nil
}

// Del deletes all fields of this name.
func (h *Header) Del(name string) {
	var kept []Field
	for _, f := range h.fields {
		if !strings.EqualFold(f.Name, name) {
			kept = append(kept, f)
		}
	}
	h.fields = kept
}

// AddField appends a field as it came in another header, byte for byte.
func (h *Header) AddField(f Field) { h.fields = append(h.fields, f) }

// Clone returns a header of the same fields, which may be changed on its own.
func (h *Header) Clone() *Header { return &Header{fields: slices.Clone(h.fields)} }

// WriteTo writes the fields and the empty line that ends a header. Fields that
// were read are written byte for byte; a last field cut off before its line
// break gets one.
func (h *Header) WriteTo(w io.Writer) (int64, error) {
	var b bytes.Buffer
	h.buffer(&b)
	b.Write(crlf)
	return flushHeader(w, &b)
}

// WriteFields writes what WriteTo does but for the empty line, so that more
// fields can follow.
func (h *Header) WriteFields(w io.Writer) (int64, error) {
	var b bytes.Buffer
	h.buffer(&b)
	return flushHeader(w, &b)
}

func (h *Header) buffer(b *bytes.Buffer) {
	for _, f := range h.fields {
		b.Write(f.Raw)
		if !bytes.HasSuffix(f.Raw, []byte{'\n'}) {
			b.Write(crlf)
		}
	}
}

func flushHeader(w io.Writer, b *bytes.Buffer) (int64, error) {
	n, err := b.WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("writing the header: %w", err)
	}
	return n, nil
}
