package mime

import (
	"fmt"
	stdmime "mime"
	"net/mail"
	"time"
)

// FormatType writes a media type for another protocol than mail, with its charset
// alone. What cannot be written is application/octet-stream.
func FormatType(m MediaType) string {
	params := map[string]string{}
	if charset := m.Params["charset"]; charset != "" && validToken(charset) {
		params["charset"] = charset
	}
	text := stdmime.FormatMediaType(m.Type, params)
	if text == "" {
		return "application/octet-stream"
	}
	return text
}

// FormatAttachment writes a Content-Disposition that has a document saved under a name
// rather than shown (RFC 6266 §4). A name that is not plain goes as RFC 8187 wants it.
func FormatAttachment(name string) string {
	if name == "" {
		return "attachment"
	}
	text := stdmime.FormatMediaType("attachment", map[string]string{"filename": name})
	if text == "" {
		return "attachment"
	}
	return text
}

// ParseDate reads what PlainDate returned.
func ParseDate(plain string) (time.Time, error) {
	t, err := mail.ParseDate(plain)
	if err != nil {
		return t, fmt.Errorf("%w: it is not of the form of RFC 5322", ErrDate)
	}
	return t, nil
}
