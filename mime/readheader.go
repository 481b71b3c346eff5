package mime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ReadHeader reads a header and the empty line that ends it, and stops there.
// It is lenient on receipt: bare LF ends a line too, white space may stand
// before a colon (RFC 5322 §4.5), and a message that ends inside of its header
// has an empty body. A line that is no field, a NUL and a bare CR are errors
// wrapping ErrHeader; what passes a bound of l is one wrapping ErrLimit. Where one field
// is at fault, also by an error of CheckLines, there is a FieldError among them.
func ReadHeader(r *bufio.Reader, l Limits) (*Header, error) {
	block := headerBlock{limits: l.orDefaults()}
	for {
		end, err := block.readLine(r)
		if err != nil {
			return nil, fmt.Errorf("reading the header: %w", err)
		}
		if end {
			break
		}
	}
	h, err := block.header()
	if err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	return h, nil
}

// A headerBlock collects the lines of one header and where its fields begin.
type headerBlock struct {
	limits Limits
	raw    []byte
	starts []int
}

// readLine takes one line and reports whether it was the last: the empty line
// or the end of the input.
func (b *headerBlock) readLine(r *bufio.Reader) (end bool, err error) {
	start := len(b.raw)
	for {
		piece, err := r.ReadSlice('\n')
		b.raw = append(b.raw, piece...)
		if len(b.raw) > b.limits.HeaderBytes {
			return false, fmt.Errorf("%w: more than %d octets of header", ErrLimit, b.limits.HeaderBytes)
		}
		if len(b.raw)-start > b.limits.HeaderLine {
			return false, b.inField(start, fmt.Errorf("%w: a header line longer than %d octets", ErrLimit, b.limits.HeaderLine))
		}
		switch {
		case err == nil:
			return b.addLine(start)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(b.raw) == start {
				return true, nil
			}
			_, err = b.addLine(start)
			return true, err
		case isLineFault(err):
			return false, b.inField(start, err)
		default:
			return false, err
		}
	}
}

// inField says which field the line at start belongs to.
func (b *headerBlock) inField(start int, err error) error {
	number := len(b.starts)
	if line := b.raw[start:]; number > 0 && len(line) > 0 && (line[0] == ' ' || line[0] == '\t') {
		start = b.starts[number-1]
	} else {
		number++
	}
	name, _, _ := fieldName(b.raw[start:])
	return &FieldError{Name: name, Number: number, Err: err}
}

// fieldName cuts a field at its colon. It has no name where there is none, or where
// what stands before it is none.
func fieldName(raw []byte) (name string, value []byte, ok bool) {
	before, value, found := bytes.Cut(raw, []byte{':'})
	name = string(bytes.TrimRight(before, " \t")) // RFC 5322 §4.5, obsolete but seen
	if !found || !validName(name) {
		return "", nil, false
	}
	return name, value, true
}

// addLine looks at the line that begins at start.
func (b *headerBlock) addLine(start int) (end bool, err error) {
	line := trimBreak(b.raw[start:])
	if len(line) == 0 {
		b.raw = b.raw[:start]
		return true, nil
	}
	if i := bytes.IndexAny(line, "\x00\r"); i >= 0 {
		return false, b.inField(start, fmt.Errorf("%w: the octet %#02x", ErrHeader, line[i]))
	}
	if line[0] == ' ' || line[0] == '\t' {
		if len(b.starts) == 0 {
			return false, fmt.Errorf("%w: it begins with a folded line", ErrHeader)
		}
		return false, nil
	}
	if len(b.starts) == b.limits.Fields {
		return false, fmt.Errorf("%w: more than %d header fields", ErrLimit, b.limits.Fields)
	}
	b.starts = append(b.starts, start)
	return false, nil
}

// header cuts the collected lines into fields.
func (b *headerBlock) header() (*Header, error) {
	h := &Header{fields: make([]Field, 0, len(b.starts))}
	for i, start := range b.starts {
		end := len(b.raw)
		if i+1 < len(b.starts) {
			end = b.starts[i+1]
		}
		raw := b.raw[start:end:end]
		name, _, ok := fieldName(raw)
		if !ok {
			return nil, &FieldError{Number: i + 1, Err: fmt.Errorf("%w: no name and colon", ErrHeader)}
		}
		h.fields = append(h.fields, Field{Name: name, Raw: raw})
	}
	return h, nil
}
