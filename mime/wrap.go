package mime

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WrapPrefix is the header of a message/rfc822 entity. The entity is this
// prefix and the message as it is (AS-42).
const WrapPrefix = "Content-Type: message/rfc822\r\n\r\n"

// Wrap returns a reader of the message/rfc822 entity around a message. The
// message must be in 7-bit canonical form already, see SevenBit.
func Wrap(message io.Reader) io.Reader {
	return io.MultiReader(strings.NewReader(WrapPrefix), message)
}

// Unwrap reads the header of a MIME entity. When it is message/rfc822, with any
// parameters and any transfer encoding (CP-6), wrapped is true and body reads
// the message inside: its header and its body. Otherwise body reads the body of
// the entity itself, still encoded. An entity without a Content-Type is not
// wrapped.
func Unwrap(entity io.Reader, l Limits) (h *Header, body io.Reader, wrapped bool, err error) {
	br := bufio.NewReader(entity)
	h, err = ReadHeader(br, l)
	if err != nil {
		return nil, nil, false, fmt.Errorf("unwrapping: %w", err)
	}
	t, err := h.ContentType()
	if err != nil {
		return nil, nil, false, fmt.Errorf("unwrapping: %w", err)
	}
	if t.Type != "message/rfc822" {
		return h, br, false, nil
	}
	body, err = DecodeTransfer(h, br)
	if err != nil {
		return nil, nil, false, fmt.Errorf("unwrapping: %w", err)
	}
	return h, body, true, nil
}
