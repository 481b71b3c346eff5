package mime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const odd = "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n" +
	"pre\r--out\r\namble\x00\n" +
	"--out\r\r\n" +
	"Content-Type: application/pdf;\n name=\"a b\"\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"%PDF\n\r.\r\n\x00\r\n" +
	"--out\n" +
	"X: sloppy\n\nall\n.\nby LF\n" +
	"--out\r\n" +
	"Content-Type: application/xml\r\n\r\n<a\n/>\r\n" +
	"--out\r\n" +
	"\r\nhello\r.\r\nMAIL FROM:<evil@x.example>\r\n" +
	"--out\r\n" +
	"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"Subject: inner\r\nContent-Transfer-Encoding: binary\r\n\r\nfine\r\n" +
	"--out\r\n" +
	"Content-Type: multipart/signed; boundary=in; protocol=\"a/b\"\r\n\r\n" +
	"--in\r\n\r\nby\rCR\nLF\r\n--in--\r\n" +
	"--out--\r\nepi\rlogue"

const oddForData = "From: a@b.example\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n" +
	"pre --out\r\namble \r\n" +
	"--out \r\n" +
	"Content-Type: application/pdf;\r\n name=\"a b\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"JVBERgoNLg0KAA==\r\n\r\n" +
	"--out\r\n" +
	"X: sloppy\r\n\r\nall\r\n.\r\nby LF\r\n" +
	"--out\r\n" +
	"Content-Type: application/xml\r\nContent-Transfer-Encoding: base64\r\n\r\nPGEKLz4=\r\n\r\n" +
	"--out\r\n" +
	"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8NLg0KTUFJTCBGUk9NOjxldmlsQHguZXhhbXBsZT4=\r\n\r\n" +
	"--out\r\n" +
	"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
	"Subject: inner\r\nContent-Transfer-Encoding: 8bit\r\n\r\nfine\r\n" +
	"--out\r\n" +
	"Content-Type: multipart/signed; boundary=in; protocol=\"a/b\"\r\n\r\n" +
	"--in\r\n\r\nby\r\nCR\r\nLF\r\n--in--\r\n" +
	"--out--\r\nepi logue"

// RFC 5321 §2.3.8: what DATA cannot carry goes so that no octet of a body is lost.
func TestForData(t *testing.T) {
	var b bytes.Buffer
	changed, err := ForData(&b, opener(odd), Limits{})
	if err != nil || !changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	if diff := cmp.Diff(oddForData, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestForDataOfASinglePart(t *testing.T) {
	const head, coded = "Subject: x\r\nContent-Type: text/plain\r\n", "MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	long := strings.Repeat("x", 998)
	for body, want := range map[string]string{
		"a\r.\r\nb\r\n":          head + coded + "YQ0uDQpiDQo=\r\n",
		"a\r":                    head + coded + "YQ0=\r\n",
		"\x00":                   head + coded + "AA==\r\n",
		"a\n\nb\r\n":             head + "\r\na\r\n\r\nb\r\n",
		long + "\n" + long + "a": head + coded + encode64(t, []byte(long+"\n"+long+"a"), 57),
		long + "\r\n" + long:     "",
		"caf\xc3\xa9\r\n":        "",
	} {
		var b bytes.Buffer
		changed, err := ForData(&b, opener(head+"\r\n"+body), Limits{})
		if err != nil || b.String() != want || changed != (want != "") {
			t.Errorf("%.40q: %t, %v, %.200q", body, changed, err, b.String())
		}
	}
	for in, want := range map[string]string{
		"Content-Type: odd\rX: y\r\n\r\na\rb":                     "Content-Type: odd X: y\r\n\r\na\r\nb",
		"Content-Transfer-Encoding: base64\r\n\r\nYQ\r==":         "Content-Transfer-Encoding: base64\r\n\r\nYQ\r\n==",
		"Content-Type: message/delivery-status\r\n\r\na: b\rc: d": "Content-Type: message/delivery-status\r\n\r\na: b\r\nc: d",
		"From nobody\r\n\r\na\rb":                                 "From nobody\r\n\r\na\r\nb",
	} {
		var b bytes.Buffer
		_, err := ForData(&b, opener(in), Limits{})
		if err != nil || b.String() != want {
			t.Errorf("%q: %v, %q", in, err, b.String())
		}
	}
}

func TestForDataFails(t *testing.T) {
	disk := errors.New("disk")
	for _, open := range []func() (io.Reader, error){
		func() (io.Reader, error) { return nil, disk },
		func() (io.Reader, error) { return iotest.ErrReader(disk), nil },
	} {
		if _, err := ForData(io.Discard, open, Limits{}); !errors.Is(err, disk) {
			t.Errorf("error %v", err)
		}
	}
	if _, err := ForData(failingWriter{disk}, opener("a: b\r\n\r\nc\rd"), Limits{}); !errors.Is(err, disk) {
		t.Errorf("error %v", err)
	}
	for _, head := range []string{
		"Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: application/pdf\r\n", "Content-Transfer-Encoding: x\r\n",
		"Content-Type: message/partial\r\n", "Content-Type: multipart/mixed\r\n", "X: \r\r\n",
	} {
		if _, err := ForData(io.Discard, opener(head+"\r\na\x00"), Limits{}); !errors.Is(err, ErrNUL) {
			t.Errorf("%q: error %v", head, err)
		}
	}
	if _, err := ForData(io.Discard, opener(odd), Limits{Parts: 3}); !errors.Is(err, ErrLimit) {
		t.Errorf("error %v", err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

// A collector notes what a message says, whatever its encodings are.
type collector struct {
	says  []string
	plain bool // DATA can say all of it
	text  bool
	inner int // the depth of the message whose header is to follow
	at    *Header
	got   bytes.Buffer
}

func (c *collector) enter(e *entity) error {
	c.plain = c.plain && e.kind != kindBroken && !e.signed && (e.kind != kindLeaf || !strings.HasPrefix(e.media.Type, "message/"))
	c.plain = c.plain && (c.inner == 0 || c.inner == e.depth) // or that message does not begin
	c.inner = 0
	if e.kind == kindWrapped {
		c.inner = e.depth + 1
	}
	c.says = append(c.says, fmt.Sprint(e.kind, e.depth, e.media))
	c.at = e.header
	// Such a text may have either line ends.
	c.text = strings.HasPrefix(e.media.Type, "text/")
	return nil
}

func (c *collector) body(p []byte) error { c.got.Write(p); return nil }

func (c *collector) leave() error {
	r, err := DecodeTransfer(c.at, &c.got)
	if err != nil {
		c.plain = false
		return nil
	}
	body, err := io.ReadAll(r)
	c.plain = c.plain && err == nil
	if bare := bytes.ReplaceAll(body, crlf, nil); c.text && bytes.IndexByte(bare, '\r') < 0 && bytes.IndexByte(bare, 0) < 0 {
		body = bytes.ReplaceAll(bytes.ReplaceAll(body, crlf, []byte("\n")), []byte("\n"), crlf)
	}
	c.says = append(c.says, string(body))
	c.got.Reset()
	return nil
}

func (c *collector) other([]byte) error { return nil }

// FuzzForData: nothing that DATA cannot carry is left, and nothing that can be said is
// lost.
func FuzzForData(f *testing.F) {
	f.Add([]byte(odd))
	f.Add([]byte("Content-Type: text/plain\r\n\r\nhello\r.\r\nQUIT\r\n"))
	f.Add([]byte("Content-Type: multipart/a; boundary=b\n\n--b\r\r\n\r\n\x00\r\n--b\nContent-Transfer-Encoding: binary\n\n\n--b--"))
	// What is no delimiter does not become one.
	f.Add([]byte("Content-Type: multipart/a; boundary=b\n\n--b\x00\n\nhidden\n--b\n\nx\n--b--\n--b--\x00\n"))
	f.Add([]byte("Content-Type: multipart/a; boundary=\"b x\"\n\n--b\rx\n\nhidden\n--b\x00x\n\nx\n--b x--\n"))
	f.Add([]byte("\n" + strings.Repeat("x\n", 3000) + strings.Repeat("x", 2000)))
	f.Fuzz(func(t *testing.T, in []byte) {
		var b bytes.Buffer
		changed, err := ForData(&b, opener(string(in)), Limits{Parts: 100})
		if err != nil {
			if !errors.Is(err, ErrLimit) && !errors.Is(err, ErrNUL) {
				t.Error(err)
			}
			return
		}
		if !changed {
			b.Write(in)
		}
		out := b.Bytes()
		if isOdd(out) || bytes.HasSuffix(out, []byte{'\r'}) {
			t.Errorf("%q", out)
		}
		was, is := collector{plain: true}, collector{plain: true}
		err = walk(bytes.NewReader(in), Limits{}, &was)
		if err = errors.Join(err, walk(bytes.NewReader(out), Limits{}, &is)); err != nil {
			t.Error(err)
		}
		if was.plain && was.inner == 0 && !slices.Equal(was.says, is.says) {
			t.Errorf("%q\n%q\n%q\n%q", in, out, was.says, is.says)
		}
		got, err := io.ReadAll(iotest.OneByteReader(NewDataReader(bytes.NewReader(in))))
		if err != nil || isOdd(got) {
			t.Errorf("%q, %v", got, err)
		}
	})
}
