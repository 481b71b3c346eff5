package mime

import (
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strings"
)

// ErrEncoding is wrapped by every error that says a transfer encoding is
// unknown or its text broken.
var ErrEncoding = errors.New("malformed transfer encoding")

// transferEncoding returns the Content-Transfer-Encoding in lower case, 7bit
// when there is none (RFC 2045 §6.1).
func transferEncoding(h *Header) string {
	v := h.Get("Content-Transfer-Encoding")
	v, _, _ = strings.Cut(v, ";") // seen with stray parameters
	v = strings.ToLower(strings.TrimSpace(v))
	if v == "" {
		return "7bit"
	}
	return v
}

// DecodeTransfer returns the body r with the transfer encoding that h names
// taken off. 7bit, 8bit and binary are r itself. Base64 may have lines of any
// length and stray white space (CP-5). Another encoding is an error wrapping
// ErrEncoding, as is broken text when it is read.
func DecodeTransfer(h *Header, r io.Reader) (io.Reader, error) {
	if h.Count("Content-Transfer-Encoding") > 1 {
		return nil, fmt.Errorf("%w: the field is there more than once", ErrEncoding)
	}
	switch e := transferEncoding(h); e {
	case "7bit", "8bit", "binary":
		return r, nil
	case "base64":
		return NewBase64Reader(r), nil
	case "quoted-printable":
		return &quotedReader{r: quotedprintable.NewReader(r)}, nil
	default:
		return nil, fmt.Errorf("%w: %.40q is not one of RFC 2045 §6.1", ErrEncoding, e)
	}
}

// A quotedReader names the errors of quotedprintable, which has one text each.
type quotedReader struct{ r *quotedprintable.Reader }

// Read implements io.Reader.
func (q *quotedReader) Read(p []byte) (int, error) {
	n, err := q.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: quoted-printable: %w", ErrEncoding, err)
	}
	return n, err
}
