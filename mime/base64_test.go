package mime

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func octets(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}

func encode64(t testing.TB, p []byte, step int) string {
	t.Helper()
	var b bytes.Buffer
	w := NewBase64Writer(&b)
	for len(p) > 0 {
		n := min(step, len(p))
		_, err := w.Write(p[:n])
		if err != nil {
			t.Fatal(err)
		}
		p = p[n:]
	}
	err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAS48_Base64LinesAndSizes(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 56, 57, 58, 113, 114, 115, 1000, blockSize, 3*blockSize + 1} {
		p := octets(n)
		for _, step := range []int{1, 7, 57, 100, blockSize} {
			s := encode64(t, p, step)
			if got := Base64Size(int64(n)); got != int64(len(s)) {
				t.Errorf("Base64Size(%d) = %d, but %d were written", n, got, len(s))
			}
			for line := range strings.Lines(s) {
				if !strings.HasSuffix(line, "\r\n") || len(line) > 78 {
					t.Fatalf("%d octets: the line %q", n, line)
				}
			}
			if plain := strings.ReplaceAll(s, "\r\n", ""); plain != base64.StdEncoding.EncodeToString(p) {
				t.Errorf("%d octets in steps of %d: wrong text", n, step)
			}
		}
	}
}

func TestCP5_Base64OfEveryShapeIsRead(t *testing.T) {
	want := octets(70000)
	s := base64.StdEncoding.EncodeToString(want)
	shapes := map[string]string{
		"no breaks":     s,
		"CRLF at 76":    broken(s, 76, "\r\n"),
		"LF at 64":      broken(s, 64, "\n"),
		"uneven lines":  broken(s, 61, "\r\n"),
		"one per line":  broken(s, 1, "\n"),
		"blank lines":   broken(s, 76, "\r\n\r\n \r\n"),
		"indented":      broken(s, 76, "\r\n\t "),
		"blanks inside": broken(s, 5, " "),
		"CR alone":      broken(s, 60, "\r"),
		"CR often":      broken(s, 1, "\r\r\r"),
		"trailing":      s + "\r\n\r\n  \t\r\n",
	}
	for name, text := range shapes {
		for kind, wrap := range readers() {
			got, err := io.ReadAll(NewBase64Reader(wrap(strings.NewReader(text))))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %s: %d octets, error %v", name, kind, len(got), err)
			}
		}
	}
}

func broken(s string, at int, sep string) string {
	var b strings.Builder
	for len(s) > at {
		b.WriteString(s[:at] + sep)
		s = s[at:]
	}
	b.WriteString(s)
	return b.String()
}

func TestBrokenBase64IsRefused(t *testing.T) {
	for _, text := range []string{"QQ", "QQ=", "Q", "QQ==QQ==", "QQ==x", "Q*==", "QUJD\x00", "=", "====", "QUJDé", strings.Repeat("QUJD", 20000) + "!"} {
		for kind, wrap := range readers() {
			_, err := io.ReadAll(NewBase64Reader(wrap(strings.NewReader(text))))
			if !errors.Is(err, ErrEncoding) {
				t.Errorf("%.12q, %s: error %v", text, kind, err)
			}
		}
	}
}

func TestDecodeTransfer(t *testing.T) {
	tests := []struct {
		header, body, want string
		err                error
	}{
		{"", "a=3D", "a=3D", nil},
		{"Content-Transfer-Encoding: 8BIT\r\n", "a=3D", "a=3D", nil},
		{"Content-Transfer-Encoding: binary\r\n", "a=3D", "a=3D", nil},
		{"content-transfer-encoding:  Quoted-Printable \r\n", "a=3Db=\r\nc", "a=bc", nil},
		{"Content-Transfer-Encoding: BASE64;\r\n", "YQ==", "a", nil},
		{"Content-Transfer-Encoding: x-uuencode\r\n", "", "", ErrEncoding},
		{"Content-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit\r\n", "", "", ErrEncoding},
	}
	for _, tt := range tests {
		r, err := DecodeTransfer(parseHeader(t, tt.header+"\r\n"), strings.NewReader(tt.body))
		if !errors.Is(err, tt.err) {
			t.Errorf("%q: error %v, want %v", tt.header, err, tt.err)
			continue
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Errorf("%q: %v", tt.header, err)
		}
		if diff := cmp.Diff(tt.want, string(got)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.header, diff)
		}
	}
}

func TestBase64ReaderPassesReadErrorsOn(t *testing.T) {
	_, err := io.ReadAll(NewBase64Reader(io.MultiReader(strings.NewReader("QUJD"), iotest.ErrReader(io.ErrUnexpectedEOF))))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("QUJD\r\nREVG\r\n"))
	f.Add([]byte(" Q Q = = "))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole, err := io.ReadAll(NewBase64Reader(bytes.NewReader(text)))
		single, err2 := io.ReadAll(NewBase64Reader(iotest.OneByteReader(bytes.NewReader(text))))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("in one piece: %v; octet by octet: %v", err, err2)
		}
		if err != nil {
			return
		}
		if !bytes.Equal(whole, single) {
			t.Fatal("what is read depends on how it comes in")
		}
		again, err := io.ReadAll(NewBase64Reader(strings.NewReader(encode64(t, whole, 1000))))
		if err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("written and read again: %v", err)
		}
	})
}

func BenchmarkBase64Reader(b *testing.B) {
	text := encode64(b, octets(1<<20), blockSize)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		io.Copy(io.Discard, NewBase64Reader(strings.NewReader(text)))
	}
}

func BenchmarkBase64Writer(b *testing.B) {
	p := octets(1 << 20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		w := NewBase64Writer(io.Discard)
		w.Write(p)
		w.Close()
	}
}
