package mime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestDecodeCharset(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"", "Grüße", "Grüße"},
		{"utf-8", "Grüße", "Grüße"},
		{"US-ASCII", "plain", "plain"},
		{"iso-8859-1", "Gr\xfc\xdfe \x80", "Grüße €"},
		{"Windows-1252", "\x93x\x94", "“x”"},
		{"iso-8859-15", "\xa4", "€"},
		{"iso-8859-2", "\xb1", "ą"},
		{"koi8-r", "\xf0\xd2\xc9", "При"},
		{"windows-1251", "\xcf\xf0\xe8", "При"},
		{"macintosh", "\x9f", "ü"},
		{"ibm850", "\x81", "ü"},
		{"shift_jis", "\x93\xfa\x96\x7b", "日本"},
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本"},
		{"euc-jp", "\xc6\xfc\xcb\xdc", "日本"},
		{"gb2312", "\xd6\xd0", "中"},
		{"gb18030", "\xd6\xd0", "中"},
		{"big5", "\xa4\xa4", "中"},
		{"euc-kr", "\xc7\xd1", "한"},
		{"ks_c_5601-1987", "\xc7\xd1", "한"},
		{"utf-16", "\xff\xfex\x00", "x"},
		{"utf-16", "\x00x", "x"},
		{"utf-16le", "x\x00", "x"},
		{"big5", "\xff\xff", "\uFFFD\uFFFD"},
		{"euc-jp", "x\xc6", "x\uFFFD"}, // cut in the middle
	} {
		for how, r := range map[string]io.Reader{"whole": strings.NewReader(tt.in), "by octets": iotest.OneByteReader(strings.NewReader(tt.in))} {
			out, err := DecodeCharset(tt.name, r)
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			got, err := io.ReadAll(out)
			if err != nil || string(got) != tt.want {
				t.Errorf("%s %s: %q, want %q, %v", tt.name, how, got, tt.want, err)
			}
		}
	}
	for _, name := range []string{"utf-7", "iso-2022-kr", "x-nothing", "hz-gb-2312", "\x00", strings.Repeat("x", 1<<20)} {
		_, err := DecodeCharset(name, strings.NewReader(""))
		if !errors.Is(err, ErrEncoding) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	failing := errors.New("failing")
	out, err := DecodeCharset("koi8-r", iotest.ErrReader(failing))
	if err == nil {
		_, err = out.Read(make([]byte, 1))
	}
	if !errors.Is(err, failing) {
		t.Errorf("an error of the reader became %v", err)
	}
}

// Whatever a text says it is, reading it ends, in UTF-8 and with no more than its
// octets can say.
func FuzzDecodeCharset(f *testing.F) {
	f.Add("iso-2022-jp", []byte("\x1b$BF|K\\\x1b(B"))
	f.Add("utf-16", []byte("\xff\xfex\x00\xd8"))
	f.Add("gb18030", []byte("\x81\x30\x81\x30\xff"))
	f.Fuzz(func(t *testing.T, name string, in []byte) {
		r, err := DecodeCharset(name, bytes.NewReader(in))
		if err != nil {
			return
		}
		out, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(out, in) {
			return // as it is
		}
		if !utf8.Valid(out) || len(out) > 3*len(in)+3 {
			t.Errorf("%q in %q became %q", in, name, out)
		}
	})
}
