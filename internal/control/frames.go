package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// What comes back from a command about a message is a row of frames: a letter,
// four octets of length and as many octets of content. First come the parts of
// the message, if there is one, and at the end one frame with what else is to be
// told, which may be long. Without that last frame the answer broke off.
type frame byte

// The kinds of frames.
const (
	messageFrame frame = 'm' // a part of the message
	answerFrame  frame = 'a' // the answer in JSON, the last
	errorFrame   frame = 'e' // an Error in JSON, the last; the message does not count
)

// valueBytes bounds the last frame. A verdict for 100 recipients with paths of
// 10 certificates has less than one million.
const valueBytes = 64 << 20

func writeFrame(w io.Writer, kind frame, content []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(len(content)))
	_, err := w.Write(head)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

func writeValue(w io.Writer, kind frame, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if len(text) > valueBytes {
		return errors.New("the answer is too long")
	}
	return writeFrame(w, kind, text)
}

// A messageWriter writes a message as frames.
type messageWriter struct{ w io.Writer }

// maxPart bounds the content of one frame of a message.
const maxPart = 1 << 20

// Write writes p as one frame or more.
func (m messageWriter) Write(p []byte) (written int, err error) {
	for written < len(p) {
		part := p[written:min(len(p), written+maxPart)]
		err := writeFrame(m.w, messageFrame, part)
		if err != nil {
			return written, err
		}
		written += len(part)
	}
	return written, nil
}

// readFrames copies the message to w and returns the last frame.
func readFrames(r io.Reader, w io.Writer) (frame, []byte, error) {
	for {
		var head [5]byte
		_, err := io.ReadFull(r, head[:])
		if err != nil {
			return 0, nil, fmt.Errorf("reading a frame: %w", err)
		}
		kind, length := frame(head[0]), int64(binary.BigEndian.Uint32(head[1:]))
		switch {
		case kind == messageFrame && length <= maxPart:
			_, err := io.CopyN(w, r, length)
			if err != nil {
				return 0, nil, fmt.Errorf("reading a part of the message: %w", err)
			}
		case (kind == answerFrame || kind == errorFrame) && length <= valueBytes:
			value, err := readAll(r, length)
			if err != nil {
				return 0, nil, fmt.Errorf("reading the last frame: %w", err)
			}
			return kind, value, nil
		default:
			return 0, nil, fmt.Errorf("a frame of the kind %q with %d octets", byte(kind), length)
		}
	}
}

// readAll reads exactly length octets. What is not there takes no memory.
func readAll(r io.Reader, length int64) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r, length))
	if err == nil && int64(len(value)) < length {
		err = io.ErrUnexpectedEOF
	}
	return value, err
}
