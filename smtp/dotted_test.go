package smtp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"
)

// asLibrary is a message behind DATA as the library alone writes it.
func asLibrary(t *testing.T, message string) string {
	t.Helper()
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	w := textproto.NewWriter(out).DotWriter()
	_, err := io.WriteString(w, message)
	if err = errors.Join(err, w.Close(), out.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// RFC 5321 §4.5.2: whatever the message, the octets are those of the library.
func TestSendDotted(t *testing.T) {
	long := strings.Repeat("x", dottedBlock)
	messages := []string{
		"", ".", "a", "\r\n", "\n", "\r", ".\r\n", "..\r\n.\r\n", "a\r\n.b\r\n", "a\n.b\nc", "a\r\n.", "a\rb\r\n", "a\r\n\r\n", "a\r",
		long, long + "\r\n.b\r\n", "a\r\n" + long, "a\r\n." + long + "\r\n.c\r\n", strings.Repeat(".0123456789\r\n", 5000),
	}
	for i, message := range messages {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for name, split := range map[string]func(io.Reader) io.Reader{
				"whole": func(r io.Reader) io.Reader { return r }, "octets": iotest.OneByteReader, "end with data": iotest.DataErrReader,
			} {
				var b bytes.Buffer
				out := bufio.NewWriter(&b)
				w := textproto.NewWriter(out).DotWriter()
				err := sendDotted(&b, w, split(strings.NewReader(message)))
				if err = errors.Join(err, w.Close(), out.Flush()); err != nil {
					t.Fatal(err)
				}
				if want := asLibrary(t, message); b.String() != want {
					t.Errorf("%s: %d octets, want %d\n%.80q\n%.80q", name, b.Len(), len(want), b.String(), want)
				}
			}
		})
	}
}

// The library gets the end of the last line alone.
func TestSendDottedLeavesNothingToTheLibrary(t *testing.T) {
	var direct, library bytes.Buffer
	err := sendDotted(&direct, &library, strings.NewReader(strings.Repeat(strings.Repeat("x", 76)+"\r\n", 2000)))
	if err != nil || direct.Len() != 2000*78-2 || library.String() != "\r\n" {
		t.Errorf("%d octets, to the library %.80q, %v", direct.Len(), library.String(), err)
	}
}

// What fails is told, whichever end of it.
func TestSendDottedFails(t *testing.T) {
	lost := errors.New("lost")
	message := strings.NewReader(strings.Repeat("x\r\n", dottedBlock))
	if err := sendDotted(io.Discard, io.Discard, io.MultiReader(message, iotest.ErrReader(lost))); !errors.Is(err, lost) {
		t.Errorf("reading: %v", err)
	}
	message.Reset(strings.Repeat("x\r\n", dottedBlock))
	if err := sendDotted(failing{lost}, io.Discard, message); !errors.Is(err, lost) || message.Len() == 0 {
		t.Errorf("writing: %v, %d octets are left", err, message.Len())
	}
	if err := sendDotted(failing{lost}, io.Discard, strings.NewReader("x\r\n")); !errors.Is(err, lost) {
		t.Errorf("writing the end: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
