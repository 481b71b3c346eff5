package mime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet/effort"
)

func opener(message string) func() (io.Reader, error) {
	return func() (io.Reader, error) { return strings.NewReader(message), nil }
}

const mixed = "From: a@b.example\r\n" +
	"Content-Transfer-Encoding: 8bit\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n" +
	"preamble\r\n" +
	"--out\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nX-Kept:  as it is \r\n\r\n" +
	"caf\xc3\xa9 \r\n=\r\n" +
	"--out  \r\n" +
	"Content-Type: application/pdf\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n" +
	"\x80\x81\r\n\r\n" +
	"--out\r\n" +
	"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"Subject: inner\r\nContent-Type: multipart/alternative; boundary=\"in\"\r\n\r\n" +
	"--in\r\n\r\nplain=\r\n--in\r\nContent-Type: text/html\r\n\r\n\xe9\r\n--in--\r\n" +
	"--out\r\n" +
	"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n" +
	"--out--\r\nepilogue\r\n"

const mixedSevenBit = "From: a@b.example\r\n" +
	"Content-Transfer-Encoding: 7bit\r\n" +
	"Content-Type: multipart/mixed; boundary=out\r\n\r\n" +
	"preamble\r\n" +
	"--out\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nX-Kept:  as it is \r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
	"caf=C3=A9=20\r\n=3D\r\n" +
	"--out  \r\n" +
	"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
	"gIENCg==\r\n\r\n" +
	"--out\r\n" +
	"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n" +
	"Subject: inner\r\nContent-Type: multipart/alternative; boundary=\"in\"\r\n\r\n" +
	"--in\r\n\r\nplain=\r\n--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n--in--\r\n" +
	"--out\r\n" +
	"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n" +
	"--out--\r\nepilogue\r\n"

func TestAS50_SevenBitEncodesWhatItMustAndNothingElse(t *testing.T) {
	var b bytes.Buffer
	changed, err := SevenBit(&b, opener(mixed), Limits{})
	if err != nil || !changed {
		t.Fatalf("changed %t, error %v", changed, err)
	}
	if diff := cmp.Diff(mixedSevenBit, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSevenBitLeavesSevenBitMessagesToTheCaller(t *testing.T) {
	var b bytes.Buffer
	changed, err := SevenBit(&b, opener(mixedSevenBit), Limits{})
	if err != nil || changed || b.Len() > 0 {
		t.Errorf("changed %t, %d octets written, error %v", changed, b.Len(), err)
	}
}

func TestSevenBitOfASinglePart(t *testing.T) {
	var b bytes.Buffer
	_, err := SevenBit(&b, opener("Subject: x\r\n\r\n\xe9\x00\r\n"), Limits{})
	want := "Subject: x\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9=00\r\n"
	if err != nil || b.String() != want {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// RFC 2231: the names of files that stand in UTF-8 are the same in ASCII, whatever the
// bodies are, and headers beside them stay.
func TestSevenBitWritesNamesInASCII(t *testing.T) {
	head := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-Odd:  as it was \r\nContent-Type: a/b; name=\""
	for body, want := range map[string]string{
		"ü.txt\"\r\n\r\nx\r\n--b--\r\n":    "Content-Type: a/b; name*=utf-8''%C3%BC.txt\r\n\r\nx\r\n--b--\r\n",
		"ü.txt\"\r\n\r\n\xc3\r\n--b--\r\n": "Content-Type: a/b; name*=utf-8''%C3%BC.txt\r\nContent-Transfer-Encoding: base64\r\n\r\nww==\r\n\r\n--b--\r\n",
	} {
		var b bytes.Buffer
		changed, err := SevenBit(&b, opener(head+body), Limits{})
		if err != nil || !changed {
			t.Fatalf("%q: %v, %v", body, changed, err)
		}
		_, got, _ := strings.Cut(b.String(), "as it was \r\n")
		if got != want {
			t.Errorf("%q\n%q\n%q", body, got, want)
		}
	}
}

func TestSevenBitRefusesWhatNoEncodingHelps(t *testing.T) {
	tests := map[string]string{
		"header":               "Subject: \xe9\r\n\r\nx\r\n",
		"header of a part":     "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \xe9\r\n\r\nx\r\n--b--\r\n",
		"name under signature": "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b; name=\"ü\"\r\n\r\nx\r\n--b--\r\n",
		"name of two forms":    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b; name=ü; name=y\r\n\r\nx\r\n--b--\r\n",
		"an id of a part":      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-ID: <ü@x>\r\n\r\nx\r\n--b--\r\n",
		"preamble":             "Content-Type: multipart/mixed; boundary=b\r\n\r\n\xe9\r\n--b\r\n\r\nx\r\n--b--\r\n",
		"multipart, no bounds": "Content-Type: multipart/mixed\r\n\r\n\xe9\r\n",
		"broken type":          "Content-Type: nonsense\r\n\r\n\xe9\r\n",
		"in base64":            "Content-Transfer-Encoding: base64\r\n\r\n\xe9\r\n",
		"under a signature":    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe9\r\n--b--\r\n",
		"deep under it":        "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\r\n\xe9\r\n--b--\r\n",
		"an unreadable header": "Content-Type: message/rfc822\r\n\r\nFrom nobody\r\n\r\n\xe9\r\n",
	}
	for name, message := range tests {
		_, err := SevenBit(io.Discard, opener(message), Limits{})
		if !errors.Is(err, ErrEightBit) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestSevenBitNoticesAMessageThatChanges(t *testing.T) {
	n := 0
	_, err := SevenBit(io.Discard, func() (io.Reader, error) {
		n++
		return strings.NewReader("Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n\xe9\r\n", n)), nil
	}, Limits{})
	if err == nil {
		t.Error("no error")
	}
	broken := errors.New("disk")
	for _, open := range []func() (io.Reader, error){
		func() (io.Reader, error) { return nil, broken },
		func() (io.Reader, error) { return iotest.ErrReader(broken), nil },
	} {
		if _, err := SevenBit(io.Discard, open, Limits{}); !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
}

// nest makes multiparts inside of multiparts, n deep.
func nest(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("\r\nhello\r\n")
	return b.String()
}

func TestNestsAreBounded(t *testing.T) {
	tests := []struct {
		name, message string
		want          error
	}{
		{"50 multiparts", nest(50), nil},
		{"51 multiparts", nest(51), ErrLimit},
		{"5,000 multiparts", nest(5000), ErrLimit},
		{"5,000 messages", strings.Repeat(WrapPrefix, 5000), ErrLimit},
		{"5,000 equal boundaries", strings.Repeat("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", 5000), ErrLimit},
		{"too many parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 10_001), ErrLimit},
		{"many parts", "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n", 9_000), nil},
		{"endless header", "A: b\r\n" + strings.Repeat(" c\r\n", 100_000), ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckStructure(strings.NewReader(tt.message), Limits{})
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

// Every line looks like a delimiter of one of fifty open multiparts.
func TestWalkIsLinear(t *testing.T) {
	message := nest(50) + strings.Repeat("--b\r\n", 1<<18)
	spent := effort.Since()
	err := CheckStructure(strings.NewReader(message), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := spent(); d > 10*time.Second {
		t.Errorf("1.3 MiB took %v", d)
	}
}

// pieces is a visitor that puts the message together again.
type pieces struct{ bytes.Buffer }

func (p *pieces) enter(e *entity) error { p.Write(e.raw); return nil }
func (p *pieces) body(b []byte) error   { p.Write(b); return nil }
func (p *pieces) leave() error          { return nil }
func (p *pieces) other(b []byte) error  { p.Write(b); return nil }

// The line break before a delimiter is no part of the body, not even where the
// buffer ends between its CR and its LF.
func TestWalkAtTheEndOfTheBuffer(t *testing.T) {
	for n := blockSize - 3; n <= blockSize+1; n++ {
		line := strings.Repeat("x", n-1) + "\xe9"
		message := "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\n" + line + "\r\n--b--\r\n"
		var p pieces
		err := walk(strings.NewReader(message), Limits{}, &p)
		if err != nil || p.String() != message {
			t.Errorf("%d octets: not all was met, error %v", n, err)
		}
		var b bytes.Buffer
		_, err = SevenBit(&b, opener(message), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(b.String(), "base64\r\n\r\n")
		body, _, _ = strings.Cut(body, "\r\n--b--")
		got, err := io.ReadAll(NewBase64Reader(strings.NewReader(body)))
		if err != nil || string(got) != line {
			t.Errorf("%d octets: the body has %d, error %v", n, len(got), err)
		}
	}
}

func FuzzSevenBit(f *testing.F) {
	f.Add([]byte(mixed))
	f.Add([]byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\n\xff\r\r\n--b"))
	f.Add([]byte(WrapPrefix + WrapPrefix + "\xff"))
	f.Fuzz(func(t *testing.T, message []byte) {
		open := func() (io.Reader, error) { return bytes.NewReader(message), nil }
		var p pieces
		if err := walk(bytes.NewReader(message), Limits{}, &p); err == nil && !bytes.Equal(p.Bytes(), message) {
			t.Fatalf("walked %q, met %q", message, p.Bytes())
		}
		var out bytes.Buffer
		changed, err := SevenBit(&out, open, Limits{})
		if err != nil || !changed {
			return
		}
		if !sevenBit(out.Bytes()) {
			t.Fatalf("%q is not 7-bit", out.Bytes())
		}
		again, err := SevenBit(io.Discard, func() (io.Reader, error) { return bytes.NewReader(out.Bytes()), nil }, Limits{Parts: 20_000, HeaderBytes: 1 << 20, Fields: 20_000})
		if again || err != nil {
			t.Fatalf("%q is changed again %t, error %v", out.Bytes(), again, err)
		}
	})
}

func BenchmarkSevenBitSurvey(b *testing.B) {
	message := "Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encode64(b, octets(1<<20), blockSize)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		SevenBit(io.Discard, opener(message), Limits{})
	}
}
