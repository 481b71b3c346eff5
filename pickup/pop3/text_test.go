package pop3

import (
	"bufio"
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

var bareLF = regexp.MustCompile(`(^|[^\r])\n`)

// loneDot is what anybody takes for the end, whatever ends a line for him.
var loneDot = regexp.MustCompile(`(^|[\r\n])\.($|[\r\n])`)

// plainly is what a message is as text, in few words.
func plainly(message string) string {
	for bareLF.MatchString(message) {
		message = bareLF.ReplaceAllString(message, "$1\r\n")
	}
	if message != "" && !strings.HasSuffix(message, "\n") {
		message += "\r\n"
	}
	return strings.ReplaceAll(message, "\r.", "\r\n.")
}

// top is the first part of a message, in few words.
func top(message string, lines int) string {
	var out strings.Builder
	body := false
	for l := range strings.SplitAfterSeq(message, "\n") {
		if body && lines == 0 {
			break
		}
		out.WriteString(l)
		if body {
			lines--
		}
		body = body || l == "\r\n" || l == "\n"
	}
	return out.String()
}

// FuzzText compares what is sent of a message, whatever pieces it is read in, with
// the same thing said plainly.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", ".", "a\n.\n", "a\r\n\r\nb\r\n.c", "\r", "\n\n", "\r\n\r\n\r\n", "a\r\r\n\r\r\nb", ".\r\n.\r\n", "a\r.\r\n+OK", "a\r.\r+OK", "a\r.", "\r..\n\r.x\ry"} {
		f.Add(s, 1)
	}
	f.Fuzz(func(t *testing.T, message string, lines int) {
		for _, pieces := range []func(io.Reader) io.Reader{func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader} {
			sent := func(from io.Reader) string {
				var b bytes.Buffer
				out := bufio.NewWriterSize(&b, 16)
				w := &textWriter{out: out}
				_, err := io.Copy(w, onlyReader{from})
				if err == nil {
					err = w.end()
				}
				if err == nil {
					err = out.Flush()
				}
				if err != nil {
					t.Fatal(err)
				}
				stuffed := b.String()
				if loneDot.MatchString(stuffed) {
					t.Fatalf("%q: %q ends early", message, stuffed)
				}
				return strings.ReplaceAll("\n"+stuffed, "\n.", "\n")[1:]
			}
			want := plainly(message)
			got := sent(pieces(strings.NewReader(message)))
			if got != want {
				t.Errorf("%q is sent as %q, not %q", message, got, want)
			}
			size, err := textSize(pieces(strings.NewReader(message)))
			if err != nil || size != int64(len(want)) {
				t.Errorf("%q has %d octets, %v, not %d", message, size, err, len(want))
			}
			lines = max(0, lines)
			got = sent(&topReader{from: pieces(strings.NewReader(message)), lines: lines})
			if want := plainly(top(message, lines)); got != want {
				t.Errorf("%d lines of %q are %q, not %q", lines, message, got, want)
			}
		}
	})
}
