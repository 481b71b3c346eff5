package mime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet/effort"
)

func parseHeader(t testing.TB, s string) *Header {
	t.Helper()
	h, err := ReadHeader(bufio.NewReader(strings.NewReader(s)), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func written(t testing.TB, h *Header) string {
	t.Helper()
	var b bytes.Buffer
	_, err := h.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadHeaderIsExactAndStopsAtTheBody(t *testing.T) {
	raw := "Received: from a\r\n\tby b;  now  \r\nSUBJECT:=?utf-8?q?=C3=A9?=\r\nx :\r\nX-Long: " +
		strings.Repeat("v", 9000) + "\r\n"
	r := bufio.NewReader(strings.NewReader(raw + "\r\n\r\nbody\r\n"))
	h, err := ReadHeader(r, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, h); got != raw+"\r\n" {
		t.Errorf("the header is not written as it came: %q", got)
	}
	rest, _ := io.ReadAll(r)
	if string(rest) != "\r\nbody\r\n" {
		t.Errorf("left for the body: %q", rest)
	}
	for name, want := range map[string]string{
		"received": "from a\tby b;  now",
		"Subject":  "=?utf-8?q?=C3=A9?=",
		"X":        "",
		"absent":   "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("Get(%q) = %q, want %q", name, got, want)
		}
	}
	if !h.Has("x") || h.Has("absent") || h.Count("SUBJECT") != 1 {
		t.Error("Has or Count is wrong")
	}
}

func TestReadHeaderIsLenientOnReceipt(t *testing.T) {
	tests := []struct{ name, in, out string }{
		{"bare LF", "A: 1\nB: 2\n 3\n\nbody", "A: 1\nB: 2\n 3\n\r\n"},
		{"no empty line", "A: 1\r\n", "A: 1\r\n\r\n"},
		{"cut off", "A: 1", "A: 1\r\n\r\n"},
		{"nothing", "", "\r\n"},
		{"no fields", "\r\nbody", "\r\n"},
		{"8-bit value", "A: \xe9\r\n\r\n", "A: \xe9\r\n\r\n"},
		{"blank folded line", "A: 1\r\n \r\n 2\r\n\r\n", "A: 1\r\n \r\n 2\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := written(t, parseHeader(t, tt.in)); got != tt.out {
				t.Errorf("got %q, want %q", got, tt.out)
			}
		})
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	small := Limits{HeaderBytes: 100, Fields: 3, HeaderLine: 50}
	tests := []struct {
		name, in string
		want     error
	}{
		{"NUL", "A: \x00\r\n\r\n", ErrHeader},
		{"bare CR", "A: 1\rB: 2\r\n\r\n", ErrHeader},
		{"no colon", "A: 1\r\nhello\r\n\r\n", ErrHeader},
		{"no name", ": 1\r\n\r\n", ErrHeader},
		{"blank in the name", "A B: 1\r\n\r\n", ErrHeader},
		{"mbox line", "From a@b Mon Jan 1 2024\r\nA: 1\r\n\r\n", ErrHeader},
		{"fold first", " A: 1\r\n\r\n", ErrHeader},
		{"8-bit name", "\xc3\xa9: 1\r\n\r\n", ErrHeader},
		{"too many fields", "A: 1\r\nA: 1\r\nA: 1\r\nA: 1\r\n", ErrLimit},
		{"too long a line", "A: " + strings.Repeat("x", 50), ErrLimit},
		{"too many octets", "A: 1\r\n" + strings.Repeat(" 012345678901234567890\r\n", 5), ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadHeader(bufio.NewReader(strings.NewReader(tt.in)), small)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want one wrapping %v", err, tt.want)
			}
		})
	}
}

func TestHeaderChanges(t *testing.T) {
	h := parseHeader(t, "A: 1\r\nb:2\r\na: 3\r\nC: 4\r\n\r\n")
	for _, err := range []error{h.Set("A", "new"), h.Prepend("Z", "0"), h.Add("D", "5"), h.Set("E", "6")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	h.Del("c")
	want := "Z: 0\r\nA: new\r\nb:2\r\nD: 5\r\nE: 6\r\n\r\n"
	if diff := cmp.Diff(want, written(t, h)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	var b strings.Builder
	n, err := h.WriteFields(&b)
	if err != nil || int(n) != b.Len() || b.String()+"\r\n" != want {
		t.Errorf("WriteFields: %q, %v", b.String(), err)
	}
}

func TestWriteErrorsAreReported(t *testing.T) {
	h := parseHeader(t, "A: 1\r\n\r\n")
	r, w := io.Pipe()
	r.Close()
	_, err := h.WriteTo(w)
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

// A field may be as long as a header. Whatever fills it, reading it takes time
// in proportion.
func TestHostileFieldsAreReadInTime(t *testing.T) {
	for _, unit := range []string{"(", "((x)", "a@b.example,", "\"", "\\\"", "<", "=?utf-8?q?a?= ", "x:", "x:;,", "a.", "a@[", "[", ";", ",", "\t", "a b ", "=?"} {
		value := strings.Repeat(unit, 200_000/len(unit))
		var raw strings.Builder
		raw.WriteString("To: ")
		for len(value) > 0 {
			n := min(len(value), 60_000)
			raw.WriteString(value[:n] + "\r\n ")
			value = value[n:]
		}
		h := parseHeader(t, raw.String()+"x\r\nContent-Type: "+strings.Repeat(unit, 50_000/len(unit))+"\r\n\r\n")
		spent := effort.Since()
		h.Addresses("To")
		h.ContentType()
		h.FileName()
		ParseMessageID(h.Get("To"))
		if d := spent(); d > 5*time.Second {
			t.Errorf("%q: %v", unit, d)
		} else if testing.Verbose() {
			t.Logf("%q: %v", unit, d)
		}
	}
}

func TestHeaderCloneIsApart(t *testing.T) {
	h := parseHeader(t, "A: 1\r\nB: 2\r\n\r\n")
	c := h.Clone()
	h.Del("A")
	if err := c.Set("B", "3"); err != nil {
		t.Fatal(err)
	}
	c.AddField(Field{Name: "C", Raw: []byte("C:  as it is\n")})
	if got := written(t, c); got != "A: 1\r\nB: 3\r\nC:  as it is\n\r\n" {
		t.Errorf("the clone is %q", got)
	}
	if h.Get("B") != "2" || c.Get("A") != "1" {
		t.Errorf("one changed with the other: %q, %q", written(t, h), written(t, c))
	}
}

func TestNewFieldsAreFoldedASCII(t *testing.T) {
	var h Header
	value := strings.Repeat("<0123456789@host.example>  ", 20) + strings.Repeat("w", 200) + "\tend"
	err := h.Add("References", value)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(h.Fields()[0].Raw)) {
		text := strings.TrimSuffix(line, "\r\n")
		if len(text) > foldAt && !strings.Contains(text, "www") {
			t.Errorf("a line of %d characters", len(text))
		}
		if strings.TrimSpace(text) == "" {
			t.Error("a line of white space alone")
		}
	}
	if got := h.Get("References"); got != value {
		t.Errorf("unfolded it is %q", got)
	}
}

func TestNewFieldsThatAreRefused(t *testing.T) {
	for _, f := range [][2]string{
		{"A", "1\r\nBcc: x@y.example"}, {"A", "1\n"}, {"A", "\r"}, {"A", "é"}, {"A", "\x00"},
		{"A", strings.Repeat("w", 999)}, {"", "1"}, {"A:", "1"}, {"A B", "1"}, {"A\r\nB", "1"},
	} {
		var h Header
		for _, err := range []error{h.Add(f[0], f[1]), h.Prepend(f[0], f[1]), h.Set(f[0], f[1])} {
			if !errors.Is(err, ErrHeader) {
				t.Errorf("%.20q: error %v", f, err)
			}
		}
		if len(h.Fields()) != 0 {
			t.Errorf("%.20q was taken", f)
		}
	}
}

func TestAS6_Addresses(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		err      bool
	}{
		{"absent", "", nil, false},
		{"one", "To: a@b.example\r\n", []string{"a@b.example"}, false},
		{"names, comments, folds", "To: \"Doe, J.\" <J@B.example>,\r\n Dr. X <x@b.example> (x)\r\n", []string{"J@b.example", "x@b.example"}, false},
		{"group", "To: ward: a@b.example, C <c@b.example>;, d@b.example\r\n", []string{"a@b.example", "c@b.example", "d@b.example"}, false},
		{"empty group", "To: undisclosed-recipients:;\r\n", nil, false},
		{"empty field", "To:\r\n", nil, false},
		{"two fields", "To: a@b.example\r\nto: c@b.example\r\n", []string{"a@b.example", "c@b.example"}, false},
		{"quoted local part", "To: \"a b\"@b.example\r\n", []string{`"a b"@b.example`}, false},
		{"at sign in the name", "To: \"c@d.example\" <a@b.example>\r\n", []string{"a@b.example"}, false},
		{"encoded word, odd charset", "To: =?x-odd?q?J=E9?= <a@b.example>\r\n", []string{"a@b.example"}, false},
		{"raw Latin-1 name", "To: \"J\xe9\" <a@b.example>\r\n", []string{"a@b.example"}, false},
		{"raw Latin-1 address", "To: j\xe9@b.example\r\n", nil, true},
		{"one bad among good", "To: a@b.example, nobody\r\n", nil, true},
		{"domain literal", "To: a@[127.0.0.1]\r\n", nil, true},
		{"two at signs", "To: a@b@c.example\r\n", nil, true},
		{"unclosed", "To: <a@b.example\r\n", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addrs, err := parseHeader(t, tt.in+"\r\n").Addresses("To")
			if (err != nil) != tt.err {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, a := range addrs {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAddressesAreBounded(t *testing.T) {
	var b strings.Builder
	for range maxMailboxes + 1 {
		b.WriteString("Cc: a@b.example\r\n")
	}
	h, err := ReadHeader(bufio.NewReader(strings.NewReader(b.String())), Limits{Fields: maxMailboxes + 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Addresses("Cc")
	if !errors.Is(err, ErrLimit) {
		t.Errorf("error %v", err)
	}
}

func TestAS57_CP15_MessageIDs(t *testing.T) {
	for in, want := range map[string]string{
		"<a@b>":                  "<a@b>",
		" <a@b> (comment)":       "<a@b>",
		"a@b":                    "<a@b>",
		"bare-uuid":              "<bare-uuid>",
		"< a@b >":                "<a@b>",
		"":                       "",
		"<>":                     "",
		"<a@b":                   "",
		"<a b@c>":                "",
		"<a@b><c@d>":             "<a@b>",
		"<é@b>":                  "",
		strings.Repeat("x", 2e3): "",
	} {
		if got := ParseMessageID(in); got != want {
			t.Errorf("ParseMessageID(%.20q) = %q, want %q", in, got, want)
		}
	}
	id := NewMessageID("mx.b.example", strings.NewReader(strings.Repeat("\x01", 16)))
	if id != "<01010101010101010101010101010101@mx.b.example>" {
		t.Errorf("NewMessageID gave %s", id)
	}
	for _, r := range []io.Reader{nil, strings.NewReader("short")} {
		a, b := NewMessageID("h.example", r), NewMessageID("h.example", r)
		if a == b || ParseMessageID(a) != a {
			t.Errorf("%s and %s", a, b)
		}
	}
}

func TestCP4_ContentTypes(t *testing.T) {
	tests := []struct {
		in, typ string
		params  map[string]string
	}{
		{"", "text/plain", map[string]string{}},
		{"Content-Type: Application/X-PKCS7-Mime; NAME=\"smime.p7m\"; smime-type=Enveloped-Data\r\n", "application/x-pkcs7-mime",
			map[string]string{"name": "smime.p7m", "smime-type": "Enveloped-Data"}},
		{"Content-Type: multipart/signed;; boundary=----=_Part_1; ;micalg=sha-256;\r\n", "multipart/signed",
			map[string]string{"boundary": "----=_Part_1", "micalg": "sha-256"}},
		{"Content-Type: multipart/signed;\r\n\tboundary=\"a;\\\"b\";x=\r\n", "multipart/signed", map[string]string{"boundary": `a;"b`, "x": ""}},
		{"Content-Type: text/plain; a=1; a=1\r\n", "text/plain", map[string]string{"a": "1"}},
	}
	for _, tt := range tests {
		m, err := parseHeader(t, tt.in+"\r\n").ContentType()
		if err != nil {
			t.Errorf("%q: %v", tt.in, err)
			continue
		}
		if diff := cmp.Diff(MediaType{Type: tt.typ, Params: tt.params}, m); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.in, diff)
		}
	}
	for _, in := range []string{
		"Content-Type: text\r\n", "Content-Type:\r\n", "Content-Type: ; a=b\r\n", "Content-Type: a b/c\r\n",
		"Content-Type: text/plain; a=1; a=2\r\n", "Content-Type: text/plain\r\nContent-Type: text/html\r\n",
	} {
		_, err := parseHeader(t, in+"\r\n").ContentType()
		if !errors.Is(err, ErrMediaType) {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"": "",
		"Content-Type: application/octet-stream; NAME=smime.p7m\r\n":          "smime.p7m",
		"Content-Disposition: attachment; filename=\"a.p7m\"\r\n":             "a.p7m",
		"Content-Type: a/b; name=b\r\nContent-Disposition: x; filename=a\r\n": "a",
		"Content-Type: a/b; name=b\r\nContent-Disposition: inline\r\n":        "b",
		"Content-Type: broken\r\n":                                            "",
	} {
		if got := parseHeader(t, in+"\r\n").FileName(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("From: a@b.example\r\nTo: x:c@d.example;\r\nContent-Type: multipart/signed; boundary=b\r\n\r\nbody"))
	f.Add([]byte("A:1\n b\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := ReadHeader(bufio.NewReader(bytes.NewReader(raw)), Limits{})
		if err != nil {
			return
		}
		h.Addresses("From")
		h.Addresses("To")
		h.ContentType()
		h.MessageID()
		IsNotification(h)
		IsAutomatic(h)
		out := written(t, h)
		if body := strings.TrimSuffix(out, "\r\n"); !strings.HasPrefix(string(raw)+"\r\n", body) {
			t.Fatalf("read %q, wrote %q", raw, out)
		}
		if again := written(t, parseHeader(t, out)); again != out {
			t.Fatalf("wrote %q, then %q", out, again)
		}
	})
}
