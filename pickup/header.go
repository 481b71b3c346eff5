package pickup

import (
	"bytes"
	"strings"

	"postern/mime"
)

// maxFields bounds the header fields that are looked at.
const maxFields = 2000

// parseHeader reads the fields of a header block. What a mailbox holds has to
// be shown whatever it is, so a line that is no field is passed over, where
// mime.ReadHeader refuses the whole.
func parseHeader(block []byte) *mime.Header {
	h := new(mime.Header)
	for _, raw := range splitFields(block) {
		name, _, found := bytes.Cut(raw, []byte{':'})
		name = bytes.TrimRight(name, " \t") // RFC 5322 §4.5
		if !found || !fieldName(name) || bytes.IndexByte(raw, 0) >= 0 {
			continue
		}
		h.AddField(mime.Field{Name: string(name), Raw: raw})
	}
	return h
}

// splitFields cuts a block before each line that does not begin with white
// space, and leaves out the empty line at its end.
func splitFields(block []byte) [][]byte {
	var fields [][]byte
	start := 0
	for at := 0; at < len(block) && len(fields) < maxFields; {
		end := len(block)
		if i := bytes.IndexByte(block[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		folded := block[at] == ' ' || block[at] == '\t'
		if !folded && at > start {
			fields = append(fields, block[start:at:at])
			start = at
		}
		if blank(block[at:end]) {
			return fields
		}
		at = end
	}
	if start < len(block) && len(fields) < maxFields {
		fields = append(fields, block[start:])
	}
	return fields
}

// blank reports whether a line is only a line break.
func blank(line []byte) bool {
	s := string(line)
	return s == "\r\n" || s == "\n"
}

// fieldName reports whether name is an RFC 5322 §3.6.8 field name.
func fieldName(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c > '~' || c == ':' {
			return false
		}
	}
	return len(name) > 0
}

// params bound what one header field may bring into a BODYSTRUCTURE.
const (
	maxParams      = 16
	maxParamLength = 1024
)

func boundParams(in map[string]string) map[string]string {
	out := make(map[string]string, min(len(in), maxParams))
	for k, v := range in {
		if len(out) == maxParams {
			break
		}
		if len(k) <= maxParamLength && len(v) <= maxParamLength {
			out[k] = v
		}
	}
	return out
}

// contentType is the header's media type; what cannot be read is text/plain
// when the field is missing and application/octet-stream when it is broken
// (RFC 2045 §5.2, RFC 2049 §2).
func contentType(h *mime.Header) mime.MediaType {
	t, err := h.ContentType()
	if err != nil {
		return mime.MediaType{Type: "application/octet-stream"}
	}
	return t
}

// disposition is the Content-Disposition, which has the form of a Content-Type
// without the slash (RFC 2183 §2).
func disposition(h *mime.Header) (string, map[string]string) {
	value := h.Get("Content-Disposition")
	if value == "" {
		return "", nil
	}
	as := new(mime.Header)
	as.AddField(mime.Field{Name: "Content-Type", Raw: []byte("Content-Type: disposition/" + value)})
	t, err := as.ContentType()
	if err != nil {
		return "", nil
	}
	return strings.TrimPrefix(t.Type, "disposition/"), boundParams(t.Params)
}
