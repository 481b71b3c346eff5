package mime

import (
	"bufio"
	"bytes"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	message "github.com/emersion/go-message"
	"github.com/emersion/go-message/textproto"
)

// startMultipart writes the header of a new multipart message, the fields of h
// and those of MIME, and returns the writer of its parts. The media type stands
// without its boundary, which is unique by 128 bits from rand; nil means the
// system's randomness.
func startMultipart(w io.Writer, h *Header, mediaType string, rand io.Reader) (*message.Writer, error) {
	boundary, err := newBoundary(rand)
	if err != nil {
		return nil, err
	}
	h = h.Clone()
	err = errors.Join(
		h.Set("MIME-Version", "1.0"),
		h.Set("Content-Type", mediaType+"; boundary=\""+boundary+"\""))
	if err != nil {
		return nil, err
	}
	fields, err := libraryHeader(h)
	if err != nil {
		return nil, err
	}
	return message.CreateWriter(w, fields)
}

func newBoundary(rand io.Reader) (string, error) {
	if rand == nil {
		rand = crand.Reader
	}
	var unique [16]byte
	_, err := io.ReadFull(rand, unique[:])
	if err != nil {
		return "", fmt.Errorf("making a boundary: %w", err)
	}
	return "postern-" + hex.EncodeToString(unique[:]), nil
}

// addPart writes one part. The library encodes the body as the header's
// Content-Transfer-Encoding says; without one it goes as body writes it.
func addPart(m *message.Writer, h *Header, body func(w io.Writer) error) error {
	fields, err := libraryHeader(h)
	if err != nil {
		return err
	}
	part, err := m.CreatePart(fields)
	if err != nil {
		return err
	}
	err = body(part)
	if err != nil {
		return err
	}
	return part.Close()
}

// libraryHeader hands our fields over as they are written, folds and case of
// the names included, with CRLF. They are already checked and folded: the
// library would change the case, and drop the error of a bad field in a part.
func libraryHeader(h *Header) (message.Header, error) {
	var b bytes.Buffer
	_, err := h.WriteTo(&b)
	if err != nil {
		return message.Header{}, err
	}
	fields, err := textproto.ReadHeader(bufio.NewReader(&b))
	if err != nil {
		return message.Header{}, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	return message.Header{Header: fields}, nil
}

// newHeader makes a header of names and values in turn.
func newHeader(pairs ...string) (*Header, error) {
	h := &Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		err := h.Add(pairs[i], pairs[i+1])
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}
