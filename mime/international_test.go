package mime

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

func TestAS51_InASCII(t *testing.T) {
	for value, want := range map[string]string{
		"Subject: Grüße":             "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
		"Subject: plain":             "Subject: plain",
		"X-Ward: Süd":                "X-Ward: =?utf-8?q?S=C3=BCd?=",
		"From: Jürgen <j@b.example>": "From: =?utf-8?q?=4A=C3=BC=72=67=65=6E?= <j@b.example>",
		"To: \"Dr. Ü, MD\" <u@b.example>, a@b.example":  "To: =?utf-8?q?=44=72=2E=20=C3=9C=2C=20=4D=44?= <u@b.example>, a@b.example",
		"To: Ärzte: a@b.example, Ö <o@b.example>;":      "To: =?utf-8?q?=C3=84=72=7A=74=65?= : a@b.example, =?utf-8?q?=C3=96?= <o@b.example>;",
		"Content-Type: application/pdf; name=\"ü.pdf\"": "Content-Type: application/pdf; name*=utf-8''%C3%BC.pdf",
	} {
		h, err := ReadHeader(bufio.NewReader(strings.NewReader(value+"\r\n\r\n")), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.InASCII()
		if err != nil {
			t.Errorf("%s: %v", value, err)
			continue
		}
		f := got.Fields()[0]
		if text := f.Name + ": " + f.Value(); text != want {
			t.Errorf("%s: %s, not %s", value, text, want)
		}
	}
	for value, want := range map[string]error{
		"To: ü@b.example":                ErrNotASCII,
		"To: U <ü@b.example>":            ErrNotASCII,
		"To: U <u@ü.example>":            ErrNotASCII,
		"From: a@b.example, ü@b.example": ErrNotASCII,
		"Subject: \xfc":                  ErrHeader,
		"Subject: a\u0085b":              ErrHeader,
		"Date: Montag, ü":                ErrHeader,
		"Message-ID: <ü@b.example>":      ErrHeader,
		"To: U <ü@b.example":             ErrHeader,
	} {
		h, err := ReadHeader(bufio.NewReader(strings.NewReader(value+"\r\n\r\n")), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = h.InASCII()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, not %v", value, err, want)
		}
	}
}

// FuzzInASCII: whatever comes, what is written is ASCII, and no field is added.
func FuzzInASCII(f *testing.F) {
	f.Add("To: \"Ü\\\" <a@b.example>, Ö: x;\r\nSubject: ü\r\n\r\n")
	f.Add("Content-Disposition: attachment; filename=\"ü\r\n .pdf\"\r\n\r\n")
	f.Add("From: ü <a@b.example>:;,<\xfc>\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ReadHeader(bufio.NewReader(strings.NewReader(text)), Limits{})
		if err != nil {
			return
		}
		got, err := h.InASCII()
		if err != nil {
			return
		}
		if len(got.Fields()) != len(h.Fields()) {
			t.Errorf("%d fields of %d", len(got.Fields()), len(h.Fields()))
		}
		for _, f := range got.Fields() {
			for _, c := range f.Raw {
				if c > '~' && !sevenBit(f.Raw) {
					t.Fatalf("%q", f.Raw)
				}
			}
		}
	})
}

// A name that is longer than a line is written in pieces, which others put together.
func TestInASCIILongNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("\u00fc", 200), strings.Repeat("\u6aa2\u9a57", 300) + " a.pdf", "\u00fc" + strings.Repeat("a%'*", 300)} {
		h := &Header{}
		h.AddField(Field{Name: "Content-Disposition", Raw: []byte("Content-Disposition: attachment; size=3; filename=\"" + name + "\"\r\n")})
		ascii, err := h.InASCII()
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if _, err := ascii.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(b.String(), "\r\n") {
			if len(line) > 100 {
				t.Errorf("a line of %d octets: %s", len(line), line)
			}
		}
		if got := ascii.FileName(); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}
