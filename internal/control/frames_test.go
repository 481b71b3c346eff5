package control

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestFramesCarryAMessageAndAValue(t *testing.T) {
	message := strings.Repeat("a line of a message\r\n", 200_000) // several frames
	var wire bytes.Buffer
	n, err := messageWriter{&wire}.Write([]byte(message))
	must(t, err)
	equal(t, "written", n, len(message))
	must(t, writeValue(&wire, answerFrame, map[string]string{"verdict": "ok"}))
	var got bytes.Buffer
	kind, value, err := readFrames(iotest.OneByteReader(&wire), &got)
	must(t, err)
	equal(t, "kind", kind, answerFrame)
	equal(t, "value", string(value), `{"verdict":"ok"}`)
	if got.String() != message {
		t.Error("the message is another one")
	}
}

func TestFramesThatBreakOff(t *testing.T) {
	for name, wire := range map[string]string{
		"nothing":           "",
		"message alone":     "m\x00\x00\x00\x01x",
		"half a head":       "a\x00",
		"half a message":    "m\x00\x00\x00\x05x",
		"half a value":      "a\x00\x00\x00\x05{}",
		"other kind":        "x\x00\x00\x00\x00",
		"message too long":  "m\x00\x10\x00\x01" + strings.Repeat("x", 1<<20+1),
		"value too long":    "a\x04\x00\x00\x01",
		"length of nothing": "e\xff\xff\xff\xff",
	} {
		_, _, err := readFrames(strings.NewReader(wire), io.Discard)
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

// A value that cannot be written leaves the answer without its last frame, which
// the other side takes for what it is.
func TestFramesNoValue(t *testing.T) {
	var wire bytes.Buffer
	err := writeValue(&wire, answerFrame, make(chan int))
	if err == nil || wire.Len() != 0 {
		t.Errorf("wrote %q, %v", wire.String(), err)
	}
	err = writeValue(iotestWriter{}, answerFrame, "x")
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

type iotestWriter struct{}

func (iotestWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzFrames(f *testing.F) {
	f.Add([]byte("m\x00\x00\x00\x02hia\x00\x00\x00\x02{}"))
	f.Add([]byte("e\x00\x00\x00\x04null"))
	f.Add([]byte("m\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var message bytes.Buffer
		kind, value, err := readFrames(bytes.NewReader(wire), &message)
		if message.Len()+len(value) > len(wire) {
			t.Errorf("%d octets made %d", len(wire), message.Len()+len(value))
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		must(t, writeFrame(&again, kind, value))
		if !bytes.Contains(wire, again.Bytes()) {
			t.Error("the last frame is not what was sent")
		}
	})
}
