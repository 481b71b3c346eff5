package mime

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// Plain returns the field with nothing in it that any reader takes for the end of a line
// but the CR LF of its folds and of its end: a bare LF is written as CR LF, and whatever
// else is a control but TAB, or a line or paragraph to Unicode, as a space. A field
// without such things is returned as it is.
func (f Field) Plain() Field {
	if isPlain(f.Raw) {
		return f
	}
	raw := make([]byte, 0, len(f.Raw)+8)
	for line := range bytes.Lines(f.Raw) {
		text := trimBreak(line)
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			if endsLines(r, text[0]) {
				raw = append(raw, ' ')
			} else {
				raw = append(raw, text[:n]...)
			}
			text = text[n:]
		}
		if bytes.HasSuffix(line, []byte{'\n'}) {
			raw = append(raw, crlf...)
		}
	}
	return Field{Name: f.Name, Raw: raw}
}

func isPlain(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		text := trimBreak(line)
		if len(line)-len(text) == 1 {
			return false // a bare LF
		}
		for len(text) > 0 {
			r, n := utf8.DecodeRune(text)
			if endsLines(r, text[0]) {
				return false
			}
			text = text[n:]
		}
	}
	return true
}

// endsLines reports whether a rune, of which first is the first octet, may end a line to
// somebody. What is no UTF-8 is read as ISO-8859-1, whose only such octet is NEL.
func endsLines(r rune, first byte) bool {
	switch r {
	case '\t':
		return false
	case '\u2028', '\u2029':
		return true
	case utf8.RuneError:
		return first == 0x85
	}
	return unicode.IsControl(r)
}
