package mime

import (
	"errors"
	"fmt"
	stdmime "mime"
	"strings"
)

// ErrMediaType is wrapped by the errors of ContentType.
var ErrMediaType = errors.New("malformed Content-Type")

// A MediaType is a Content-Type taken apart.
type MediaType struct {
	Type   string            // in lower case: "multipart/signed"
	Params map[string]string // names in lower case, values unquoted and in their own case
}

// Is reports whether the type is one of those named.
func (m MediaType) Is(types ...string) bool {
	for _, t := range types {
		if m.Type == t {
			return true
		}
	}
	return false
}

// Multipart reports whether the type is multipart/* with a usable boundary.
func (m MediaType) Multipart() bool {
	return strings.HasPrefix(m.Type, "multipart/") && validBoundary(m.Params["boundary"])
}

// ContentType returns the media type of the entity; without the field it is
// text/plain (RFC 2045 §5.2). Order, case, quotes, stray semicolons and values
// that should have been quoted do not matter (CP-4). Two Content-Type fields,
// or a parameter given twice with two values, are an error wrapping
// ErrMediaType: no two agents read them alike.
func (h *Header) ContentType() (MediaType, error) {
	values := h.Values("Content-Type")
	switch len(values) {
	case 0:
		return MediaType{Type: "text/plain", Params: map[string]string{}}, nil
	case 1:
		return parseMediaType(values[0])
	}
	return MediaType{}, fmt.Errorf("%w: the field is there %d times", ErrMediaType, len(values))
}

// FileName returns the name that the entity gives itself, by Content-Disposition
// or else by the name parameter of Content-Type, and "" when it has none. It is
// a hint of what the body is, never a path.
func (h *Header) FileName() string {
	_, params, err := stdmime.ParseMediaType(h.Get("Content-Disposition"))
	if err == nil && params["filename"] != "" {
		return params["filename"]
	}
	t, err := h.ContentType()
	if err != nil {
		return ""
	}
	return t.Params["name"]
}

func parseMediaType(s string) (MediaType, error) {
	t, params, err := stdmime.ParseMediaType(s)
	if err == nil && strings.Contains(t, "/") {
		return MediaType{Type: t, Params: params}, nil
	}
	return parseLoosely(s)
}

// parseLoosely reads what the grammar of RFC 2045 §5.1 refuses.
func parseLoosely(s string) (MediaType, error) {
	t, rest, _ := strings.Cut(s, ";")
	main, sub, slash := strings.Cut(strings.TrimSpace(t), "/")
	if !slash || !validToken(main) || !validToken(sub) {
		return MediaType{}, fmt.Errorf("%w: no type/subtype", ErrMediaType)
	}
	m := MediaType{Type: strings.ToLower(main + "/" + sub), Params: map[string]string{}}
	for rest != "" {
		var param string
		param, rest = cutParam(rest)
		name, value, found := strings.Cut(param, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if !found || name == "" {
			continue
		}
		value = unquote(strings.TrimSpace(value))
		if old, twice := m.Params[name]; twice && old != value {
			return MediaType{}, fmt.Errorf("%w: two values of one parameter", ErrMediaType)
		}
		m.Params[name] = value
	}
	return m, nil
}

// cutParam cuts s at its first semicolon outside of quotes.
func cutParam(s string) (param, rest string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// unquote takes a quoted-string apart and returns anything else as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return strings.Trim(s, `"`)
	}
	s = s[1 : len(s)-1]
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// validToken reports whether s is a token of RFC 2045 §5.1.
func validToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return false
		}
	}
	return s != ""
}
