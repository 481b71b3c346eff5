package mime

import (
	"bytes"
	"errors"
	"io"
	stdmime "mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func compose(t testing.TB, m Message) string {
	t.Helper()
	if m.Header == nil {
		m.Header = parseHeader(t, "From: a@a.example\r\n\r\n")
	}
	var b strings.Builder
	err := m.Compose(&b, strings.NewReader(strings.Repeat("\x01", 16)))
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMessageAsWritten(t *testing.T) {
	got := compose(t, Message{
		Header: parseHeader(t, "From: a@a.example\nSubject: one\n two\nmessage-id: <1@a.example>\n\n"),
		Text:   "Dear colleague,\nthis is the record.\n",
		Attachments: []Attachment{
			{Type: "Application/XML", Name: "summary.xml", Content: strings.NewReader(strings.Repeat("a", 58))},
			{Content: strings.NewReader("")},
		},
	})
	want := "From: a@a.example\r\n" +
		"Subject: one\r\n" +
		" two\r\n" +
		"message-id: <1@a.example>\r\n" +
		"MIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed;\r\n" +
		" boundary=\"postern-01010101010101010101010101010101\"\r\n" +
		"\r\n" +
		"--postern-01010101010101010101010101010101\r\n" +
		"Content-Type: text/plain; charset=us-ascii\r\n" +
		"Content-Transfer-Encoding: 7bit\r\n" +
		"\r\n" +
		"Dear colleague,\r\n" +
		"this is the record.\r\n" +
		"\r\n" +
		"--postern-01010101010101010101010101010101\r\n" +
		"Content-Type: application/xml; name=summary.xml\r\n" +
		"Content-Disposition: attachment; filename=summary.xml\r\n" +
		"Content-Transfer-Encoding: base64\r\n" +
		"\r\n" +
		strings.Repeat("YWFh", 19) + "\r\n" +
		"YQ==\r\n" +
		"--postern-01010101010101010101010101010101\r\n" +
		"Content-Type: application/octet-stream\r\n" +
		"Content-Disposition: attachment\r\n" +
		"Content-Transfer-Encoding: base64\r\n" +
		"\r\n" +
		"\r\n" +
		"--postern-01010101010101010101010101010101--\r\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A readPart is a part as another reader finds it.
type readPart struct{ Type, Name, Body string }

// readBack reads a composed message with the standard library, and checks that
// it can travel as it is.
func readBack(t testing.TB, s string) []readPart {
	t.Helper()
	_, err := io.Copy(io.Discard, CheckLines(strings.NewReader(s), 0))
	if err != nil || !sevenBit([]byte(s)) {
		t.Fatalf("the message cannot travel: 7-bit %t, error %v", sevenBit([]byte(s)), err)
	}
	m, err := mail.ReadMessage(strings.NewReader(s))
	if err != nil {
		t.Fatal(err)
	}
	mediaType, params, err := stdmime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || mediaType != "multipart/mixed" || len(m.Header["Content-Transfer-Encoding"]) > 0 {
		t.Fatalf("%v, error %v", m.Header, err)
	}
	var parts []readPart
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts
		}
		if err != nil {
			t.Fatal(err)
		}
		body := io.Reader(p)
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "base64":
			body = NewBase64Reader(p)
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		}
		content, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		_, disposition, err := stdmime.ParseMediaType(p.Header.Get("Content-Disposition"))
		if err != nil && len(parts) > 0 {
			t.Fatal(err)
		}
		parts = append(parts, readPart{p.Header.Get("Content-Type"), disposition["filename"], string(content)})
	}
}

func TestCP5_AttachmentsComeBackOctetForOctet(t *testing.T) {
	for _, n := range []int{0, 1, 2, 56, 57, 58, 113, 114, 767, 768, 769, 1 << 20} {
		content := make([]byte, n)
		for i := range content {
			content[i] = byte(i * i >> 3)
		}
		s := compose(t, Message{Attachments: []Attachment{{Name: "x", Content: iotest.HalfReader(bytes.NewReader(content))}}})
		parts := readBack(t, s)
		if len(parts) != 2 || parts[1].Body != string(content) {
			t.Errorf("%d octets came back otherwise", n)
		}
		for line := range strings.SplitSeq(s, "\r\n") {
			if len(line) > lineChars {
				t.Errorf("%d octets: a line of %d characters", n, len(line))
			}
		}
	}
}

func TestAS51_TextAndNamesGoSevenBit(t *testing.T) {
	tests := []struct{ name, text, file, wantText, wantType string }{
		{"plain", "a\nb", "x.pdf", "a\r\nb", "text/plain; charset=us-ascii"},
		{"as long as may be", strings.Repeat("x", maxLine) + "\n", "x", strings.Repeat("x", maxLine) + "\r\n", "text/plain; charset=us-ascii"},
		{"too long a line", strings.Repeat("x", maxLine+1), `a "b" \c.xml`, strings.Repeat("x", maxLine+1), "text/plain; charset=utf-8"},
		{"UTF-8", "Müller \n", "Überweisung für Müller.pdf", "Müller \r\n", "text/plain; charset=utf-8"},
		{"CRLF", "a\r\nb\rc", "x\r\nBcc: y@y.example", "a\r\nb\r\nc", "text/plain; charset=us-ascii"},
		{"odd line ends", "a\ré\n", "x", "a\r\né\r\n", "text/plain; charset=utf-8"},
		{"NUL", "a\x00", "", "a\x00", "text/plain; charset=utf-8"},
		{"empty", "", "x", "", "text/plain; charset=us-ascii"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parts := readBack(t, compose(t, Message{Text: tt.text, Attachments: []Attachment{
				{Type: "text/plain; charset=UTF-8", Name: tt.file, Content: strings.NewReader("é")}}}))
			if len(parts) != 2 || parts[0].Body != tt.wantText || parts[0].Type != tt.wantType {
				t.Errorf("got %q", parts)
			}
			if parts[1].Name != tt.file || parts[1].Body != "é" {
				t.Errorf("got %q", parts[1])
			}
		})
	}
}

func TestMessageRefuses(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		a    Attachment
		want error
	}{
		"a multipart":     {Attachment{Type: "multipart/mixed; boundary=x"}, ErrMediaType},
		"a message":       {Attachment{Type: "message/rfc822"}, ErrMediaType},
		"no type":         {Attachment{Type: ";"}, ErrMediaType},
		"half a type":     {Attachment{Type: "text"}, ErrMediaType},
		"a smuggled type": {Attachment{Type: "text/plain\r\nX: y"}, ErrMediaType},
		"a name too long": {Attachment{Name: strings.Repeat("é", 500)}, ErrHeader},
		"broken content":  {Attachment{Content: iotest.ErrReader(broken)}, broken},
	} {
		m := Message{Header: &Header{}, Attachments: []Attachment{tt.a}}
		if m.Attachments[0].Content == nil {
			m.Attachments[0].Content = strings.NewReader("")
		}
		err := m.Compose(io.Discard, nil)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	m := Message{Header: &Header{}, Attachments: []Attachment{{Type: "text/plain; charset=iso-8859-1", Content: strings.NewReader("")}}}
	if m.Compose(io.Discard, nil) == nil {
		t.Error("a charset that is not ours: no error")
	}
	m = Message{Header: &Header{}}
	if m.Compose(io.Discard, strings.NewReader("")) == nil {
		t.Error("no randomness: no error")
	}
	pr, pw := io.Pipe()
	pr.CloseWithError(broken)
	if err := m.Compose(pw, nil); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: error %v", err)
	}
	h := &Header{}
	h.AddField(Field{Name: "X", Raw: []byte("no colon\r\n")})
	m = Message{Header: h}
	if err := m.Compose(io.Discard, nil); !errors.Is(err, ErrHeader) {
		t.Errorf("a field that is none: error %v", err)
	}
}

// A lagReader gives n octets and notes how far the writer is behind.
type lagReader struct {
	n, read, written, lag int
}

func (l *lagReader) Read(p []byte) (int, error) {
	l.lag = max(l.lag, l.read-l.written)
	if l.read >= l.n {
		return 0, io.EOF
	}
	l.read += len(p)
	return len(p), nil
}

func (l *lagReader) Write(p []byte) (int, error) {
	l.written += len(p)
	return len(p), nil
}

func TestMessageStreams(t *testing.T) {
	l := lagReader{n: 8 << 20}
	m := Message{Header: &Header{}, Attachments: []Attachment{{Content: &l}}}
	err := m.Compose(&l, nil)
	if err != nil {
		t.Fatal(err)
	}
	if l.lag > 64<<10 {
		t.Errorf("%d octets were held", l.lag)
	}
}

func TestReportRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Report){
		"another kind":      func(r *Report) { r.Kind = "feedback-report; x" },
		"8-bit header":      func(r *Report) { r.Header = parseHeader(t, "Subject: \xe9\r\n\r\n") },
		"8-bit original":    func(r *Report) { r.Original = parseHeader(t, "Subject: \xe9\r\n\r\n") },
		"bare LF in fields": func(r *Report) { r.Groups = []*Header{parseHeader(t, "Subject: x\n\n")} },
	} {
		r := Report{Header: &Header{}, Kind: ReportMDN}
		spoil(&r)
		_, err := r.Compose(nil)
		if !errors.Is(err, ErrHeader) && !errors.Is(err, ErrNotReport) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// spaced leaves one space where there were some, as readers that unfold do.
func spaced(s string) string { return strings.Join(strings.Fields(s), " ") }

func FuzzCompose(f *testing.F) {
	f.Add("text\n", "summary.xml", "application/xml", []byte("<a/>"))
	f.Add("Müller \r\n.\n--x", "ü\r\n\"", "text/plain; charset=utf-8", []byte{0, 0xff, '\r'})
	f.Fuzz(func(t *testing.T, text, name, mediaType string, content []byte) {
		m := Message{Header: &Header{}, Text: text, Attachments: []Attachment{{Type: mediaType, Name: name, Content: bytes.NewReader(content)}}}
		var b strings.Builder
		err := m.Compose(&b, nil)
		if err != nil {
			return
		}
		parts := readBack(t, b.String())
		if len(parts) != 2 || parts[0].Body != canonicalText(text) || spaced(parts[1].Name) != spaced(name) || parts[1].Body != string(content) {
			t.Fatalf("came back as %q", parts)
		}
	})
}
