package mime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestCP3_SplitSignedHandsOverTheExactFirstPart(t *testing.T) {
	long := strings.Repeat("x", 3*blockSize)
	tests := []struct {
		name, body, part1, part2 string
	}{
		{"plain", "--b\r\nA: 1\r\n\r\nhello\r\n--b\r\n\r\nsig\r\n--b--\r\n", "A: 1\r\n\r\nhello", "sig"},
		{"LF only", "--b\nA: 1\n\nhello\n--b\n\nsig\n--b--\n", "A: 1\n\nhello", "sig"},
		{"preamble and epilogue", "This is\r\n a preamble\r\n--b\r\nA: 1\r\n\r\nhello\r\n--b\r\n\r\nsig\r\n--b--\r\nepilogue\r\n--b\r\nno part\r\n", "A: 1\r\n\r\nhello", "sig"},
		{"transport padding", "--b \t\r\nhello\r\n--b  \r\n\r\nsig\r\n--b-- \r\n", "hello", "sig"},
		{"blank lines belong to the part", "--b\r\n\r\n\r\nhello\r\n\r\n\r\n--b\r\n\r\nsig\r\n\r\n\r\n--b--", "\r\n\r\nhello\r\n\r\n", "sig\r\n\r\n"},
		{"no closing delimiter", "--b\r\nhello\r\n--b\r\n\r\nsig\r\n", "hello", "sig\r\n"},
		{"empty part one", "--b\r\n--b\r\n\r\nsig\r\n--b--", "", "sig"},
		{"longer boundaries are content", "--b\r\n--bc\r\n--b-\r\n--b--x\r\n --b\r\nhello--b\r\n--b\r\n\r\nsig\r\n--b--", "--bc\r\n--b-\r\n--b--x\r\n --b\r\nhello--b", "sig"},
		{"bare CR before a delimiter", "--b\r\nhello\r\r\n--b\r\n\r\nsig\r\n--b--", "hello\r", "sig"},
		{"one long line", "--b\r\n" + long + "\r\n--b\r\n\r\nsig\r\n--b--", long, "sig"},
		{"many near misses", "--b\r\n" + strings.Repeat("--bx\r\n", 20000) + "--b\r\n\r\nsig\r\n--b--", strings.TrimSuffix(strings.Repeat("--bx\r\n", 20000), "\r\n"), "sig"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for kind, wrap := range readers() {
				var got bytes.Buffer
				part, err := SplitSigned(wrap(strings.NewReader(tt.body)), "b", &got)
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				if diff := cmp.Diff(tt.part1, got.String()); diff != "" {
					t.Errorf("%s: part one (-want +got):\n%s", kind, diff)
				}
				again, err := SignedPart(wrap(strings.NewReader(tt.body)), "b")
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				pulled, err := io.ReadAll(again)
				if err != nil || string(pulled) != tt.part1 {
					t.Errorf("%s: SignedPart gave %d octets, error %v", kind, len(pulled), err)
				}
				if diff := cmp.Diff(tt.part2, string(part.Body)); diff != "" {
					t.Errorf("%s: part two (-want +got):\n%s", kind, diff)
				}
			}
		})
	}
}

func readers() map[string]func(io.Reader) io.Reader {
	return map[string]func(io.Reader) io.Reader{
		"whole":        func(r io.Reader) io.Reader { return r },
		"octet-wise":   iotest.OneByteReader,
		"data and EOF": iotest.DataErrReader,
	}
}

// A delimiter must be found wherever the window happens to end.
func TestSplitSignedAtEveryOffsetOfTheWindow(t *testing.T) {
	for pad := blockSize - 60; pad < blockSize+20; pad++ {
		for _, eol := range []string{"\r\n", "\n"} {
			first := strings.Repeat("y", pad)
			body := "--bound" + eol + first + eol + "--bound" + eol + eol + "sig" + eol + "--bound--" + eol
			var got bytes.Buffer
			part, err := SplitSigned(strings.NewReader(body), "bound", &got)
			if err != nil {
				t.Fatalf("pad %d: %v", pad, err)
			}
			if got.String() != first || string(part.Body) != "sig" {
				t.Fatalf("pad %d, eol %q: part one has %d octets, part two %q", pad, eol, got.Len(), part.Body)
			}
		}
	}
}

func TestAS45_SplitSignedWantsTwoParts(t *testing.T) {
	tests := []struct {
		name, boundary, body string
		want                 error
	}{
		{"nothing", "b", "", ErrParts},
		{"no delimiter", "b", "hello\r\n", ErrParts},
		{"closed at once", "b", "--b--\r\n", ErrParts},
		{"one part", "b", "--b\r\nhello\r\n--b--\r\n", ErrParts},
		{"one part, cut off", "b", "--b\r\nhello\r\n", ErrParts},
		{"three parts", "b", "--b\r\n1\r\n--b\r\n\r\n2\r\n--b\r\n3\r\n--b--\r\n", ErrParts},
		{"no text at the end", "b", "--b\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\nepilogue\x01\r\n", ErrParts},
		{"no text far behind the end", "b", "--b\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n" + strings.Repeat("epilogue\r\n", blockSize) + "\xe9", ErrParts},
		{"no boundary", "", "--\r\n1\r\n--\r\n\r\n2\r\n----\r\n", ErrParts},
		{"boundary with a line break", "a\r\nb", "", ErrParts},
		{"endless signature", "b", "--b\r\n1\r\n--b\r\n\r\n" + strings.Repeat("2", MaxSignature+1), ErrLimit},
		{"signature part is no entity", "b", "--b\r\n1\r\n--b\r\nno header here\r\n--b--", ErrHeader},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := SplitSigned(strings.NewReader(tt.body), tt.boundary, io.Discard)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want one wrapping %v", err, tt.want)
			}
		})
	}
}

func TestSplitSignedReadsToTheEndAndReportsReadErrors(t *testing.T) {
	body := "--b\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n"
	broken := errors.New("padding is wrong")
	r := io.MultiReader(strings.NewReader(body), iotest.ErrReader(broken))
	_, err := SplitSigned(r, "b", io.Discard)
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v: the end of the stream must be read", err, broken)
	}
}

func FuzzSplitSigned(f *testing.F) {
	f.Add([]byte("pre\r\n--b\r\nA: 1\r\n\r\nhello\r\n--b\r\n\r\nsig\r\n--b--\r\n"))
	f.Add([]byte("--b\n--b\n\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var whole, single bytes.Buffer
		p, err := SplitSigned(bytes.NewReader(body), "b", &whole)
		q, err2 := SplitSigned(iotest.OneByteReader(bytes.NewReader(body)), "b", &single)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("in one piece: %v; octet by octet: %v", err, err2)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(whole.Bytes(), single.Bytes()) || !bytes.Equal(p.Body, q.Body) {
			t.Fatal("what is read depends on how it comes in")
		}
		want, ok := firstPartByLines(body, "b")
		if !ok || !bytes.Equal(want, whole.Bytes()) {
			t.Fatalf("part one is %q, line by line it is %q", whole.Bytes(), want)
		}
	})
}

// firstPartByLines is the same search done in the plainest way.
func firstPartByLines(body []byte, boundary string) ([]byte, bool) {
	var part []byte
	inside := false
	for line := range bytes.Lines(body) {
		if delimiter(line, boundary) != delimiterNone {
			if inside {
				return trimBreak(part), true
			}
			inside = true
			continue
		}
		if inside {
			part = append(part, line...)
		}
	}
	return nil, false
}
