package mime

import (
	"errors"
	"fmt"
	"maps"
	stdmime "mime"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrNotASCII is wrapped by the error of InASCII for an address that ASCII cannot
// write.
var ErrNotASCII = errors.New("an address outside of ASCII")

// InASCII returns the header with its UTF-8 (RFC 6532) written in ASCII: texts and
// names of people in encoded words (RFC 2047), parameters as RFC 2231 has them. Fields
// of ASCII stay byte for byte. What is not UTF-8, or stands in a field that has no way
// to write it, is a FieldError wrapping ErrHeader, and in an address one wrapping
// ErrNotASCII.
func (h *Header) InASCII() (*Header, error) {
	all := h.Clone()
	for i, f := range all.fields {
		if sevenBit(f.Raw) {
			continue
		}
		value, err := asciiValue(f)
		if err == nil {
			all.fields[i], err = newField(f.Name, value)
		}
		if err != nil {
			return nil, &FieldError{Name: f.Name, Number: i + 1, Err: err}
		}
	}
	return all, nil
}

func asciiValue(f Field) (string, error) {
	value := f.Value()
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("%w: not UTF-8", ErrHeader)
	}
	switch strings.ToLower(f.Name) {
	case "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc",
		"resent-bcc", "disposition-notification-to", "return-path":
		return asciiAddresses(value)
	case "content-type", "content-disposition":
		return asciiParameters(value)
	case "date", "message-id", "in-reply-to", "references", "mime-version", "content-transfer-encoding", "content-id",
		"received", "resent-date", "resent-message-id", "auto-submitted":
		return "", fmt.Errorf("%w: the field takes nothing but ASCII", ErrHeader)
	}
	return EncodeText(value)
}

func asciiParameters(value string) (string, error) {
	kind, params, err := stdmime.ParseMediaType(value)
	if err != nil {
		return "", fmt.Errorf("%w: its parameters", ErrHeader)
	}
	text := stdmime.FormatMediaType(kind, nil)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		one := stdmime.FormatMediaType("x", map[string]string{name: params[name]})
		if one == "" || text == "" {
			return "", fmt.Errorf("%w: its parameters", ErrHeader)
		}
		if len(one) > longParameter {
			one = inPieces(name, params[name])
		}
		text += strings.TrimPrefix(one, "x")
	}
	if text == "" {
		return "", fmt.Errorf("%w: its parameters", ErrHeader)
	}
	return text, nil
}

const (
	// longParameter is how long a parameter may be that is written in one piece, which
	// is one line.
	longParameter = 900
	// pieceOfParameter is how long pieces are.
	pieceOfParameter = 60
)

// inPieces writes a parameter as several (RFC 2231 §4.1).
func inPieces(name, value string) string {
	var b strings.Builder
	left, pieces := 0, 0
	for i := range len(value) {
		octet := fmt.Sprintf("%%%02X", value[i])
		if strings.IndexByte(attributeChars, value[i]) >= 0 {
			octet = value[i : i+1]
		}
		if left < len(octet) {
			fmt.Fprintf(&b, "; %s*%d*=", name, pieces)
			if pieces == 0 {
				b.WriteString("utf-8''")
			}
			left, pieces = pieceOfParameter, pieces+1
		}
		b.WriteString(octet)
		left -= len(octet)
	}
	return b.String()
}

// attributeChars stand for themselves in a parameter (RFC 2231 §7).
const attributeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$&+-.^_`{|}~"

// asciiAddresses writes the names of a list of addresses in encoded words, and leaves
// all else as it stands.
func asciiAddresses(value string) (string, error) {
	var b strings.Builder
	for value != "" {
		n := nameLength(value)
		name, rest := value[:n], value[n:]
		switch {
		case rest != "" && (rest[0] == '<' || rest[0] == ':'):
			b.WriteString(asciiName(name))
		case !sevenBit([]byte(name)):
			return "", ErrNotASCII // it is an address by itself
		default:
			b.WriteString(name)
		}
		end := len(rest) - len(strings.TrimLeft(rest, ",;:"))
		if strings.HasPrefix(rest, "<") {
			end = strings.IndexByte(rest, '>') + 1
		}
		if rest != "" && end == 0 {
			return "", fmt.Errorf("%w: an address without end", ErrHeader)
		}
		if !sevenBit([]byte(rest[:end])) {
			return "", ErrNotASCII
		}
		b.WriteString(rest[:end])
		value = rest[end:]
	}
	return b.String(), nil
}

// nameLength is how much of a list of addresses comes before an angle bracket or the
// end of a name or an address, outside of quotes.
func nameLength(s string) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && quoted:
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte("<,;:", s[i]) >= 0:
			return i
		}
	}
	return len(s)
}

// asciiName writes a name as encoded words where it is not ASCII, with the white space
// around it.
func asciiName(s string) string {
	if sevenBit([]byte(s)) {
		return s
	}
	name := strings.TrimSpace(s)
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(name[1 : len(name)-1])
	}
	before := ""
	if strings.HasPrefix(s, " ") {
		before = " "
	}
	return before + encodeAll(name) + " "
}
