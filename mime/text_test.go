package mime

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAS50_CanonicalLineEnds(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"a\r\nb\r\n":                    "a\r\nb\r\n",
		"a\nb\n":                        "a\r\nb\r\n",
		"a\rb\r":                        "a\r\nb\r\n",
		"a\r\r\n\n\r":                   "a\r\n\r\n\r\n\r\n",
		"\n\n\r\r":                      "\r\n\r\n\r\n\r\n",
		"no end":                        "no end",
		strings.Repeat("x", 600) + "\n": strings.Repeat("x", 600) + "\r\n",
	} {
		for _, step := range []int{1, 2, 3, 1000} {
			var b bytes.Buffer
			w := NewCRLFWriter(&b)
			for rest := in; rest != ""; {
				n, err := io.WriteString(w, rest[:min(step, len(rest))])
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("%.20q in steps of %d (-want +got):\n%s", in, step, diff)
			}
		}
		for kind, wrap := range readers() {
			got, err := io.ReadAll(NewCRLFReader(wrap(strings.NewReader(in))))
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", kind, got, err)
			}
		}
	}
}

func TestBareBreak(t *testing.T) {
	tests := []struct {
		in   string
		cr   bool
		want int
	}{
		{"", false, -1}, {"a\r\n", false, -1}, {"a\nb", false, 1}, {"a\rb", false, 2}, {"a\r", false, -1},
		{"\nb", true, -1}, {"b", true, 0}, {"\n\n", true, 1},
	}
	for _, tt := range tests {
		if got := BareBreak([]byte(tt.in), tt.cr); got != tt.want {
			t.Errorf("BareBreak(%q, %t) = %d, want %d", tt.in, tt.cr, got, tt.want)
		}
	}
}

func TestCheckLines(t *testing.T) {
	tests := []struct {
		in     string
		want   error
		passed int // octets before what is wrong
	}{
		{"", nil, 0}, {"a\r\n", nil, 3}, {"a\r\nno end", nil, 9}, {strings.Repeat("x", 998) + "\r\n", nil, 1000},
		{strings.Repeat("x", 999), ErrLineLength, 998}, {strings.Repeat("x", 1e5) + "\r\n", ErrLineLength, 998},
		{"a\r\n" + strings.Repeat("x", 999), ErrLineLength, 1001},
		{"a\n.\n", ErrBareLF, 1}, {"a\r\n.\nb", ErrBareLF, 4}, {"\n", ErrBareLF, 0}, {"a\nb\x00", ErrBareLF, 1},
		{"a\rb\r\n", ErrBareCR, 2}, {"a\r", ErrBareCR, 2}, {"a\r\r\n", ErrBareCR, 2},
		{"a\x00b\r\n", ErrNUL, 1}, {"a\r\n\x00\n", ErrNUL, 3},
	}
	for _, tt := range tests {
		for kind, wrap := range readers() {
			got, err := io.ReadAll(CheckLines(wrap(strings.NewReader(tt.in)), 0))
			if !errors.Is(err, tt.want) {
				t.Errorf("%.20q, %s: error %v, want %v", tt.in, kind, err, tt.want)
			}
			if string(got) != tt.in[:tt.passed] {
				t.Errorf("%.20q, %s: passed on as %.20q", tt.in, kind, got)
			}
		}
	}
}

func TestAS43_CP6_Unwrap(t *testing.T) {
	inner := "Subject: x\r\n\r\nbody=3D\r\n"
	tests := []struct {
		name, entity, body string
		wrapped            bool
	}{
		{"as Wrap makes it", WrapPrefix + inner, inner, true},
		{"parameters and 8bit", "Content-Type: Message/RFC822; name=a\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + inner, inner, true},
		{"quoted-printable", "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSubject: x\r\n\r\nbody=3D3D\r\n", inner, true},
		{"base64", "Content-Transfer-Encoding: base64\r\nContent-Type: message/rfc822\r\n\r\n" + encode64(t, []byte(inner), 10), inner, true},
		{"not wrapped", "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==", "YQ==", false},
		{"no type", "\r\nSubject: x\r\n", "Subject: x\r\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, body, wrapped, err := Unwrap(strings.NewReader(tt.entity), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			if wrapped != tt.wrapped || string(got) != tt.body {
				t.Errorf("wrapped %t, body %q", wrapped, got)
			}
		})
	}
	got, err := io.ReadAll(Wrap(strings.NewReader(inner)))
	if err != nil || string(got) != WrapPrefix+inner {
		t.Errorf("Wrap: %q, %v", got, err)
	}
}

func TestAS86_IsNotification(t *testing.T) {
	for in, want := range map[string]bool{
		"":                                        false,
		"Content-Type: text/plain\r\n":            false,
		"Auto-Submitted: no\r\n":                  false,
		"Auto-Submitted: No (really)\r\n":         false,
		"Auto-Submitted: auto-replied\r\n":        false, // AS-85: every message but MDN and DSN
		"Auto-Submitted: auto-generated; x=1\r\n": false,
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n":          false,
		"Content-Type: message/rfc822\r\n":                                                     false,
		"Content-Type: message/global-disposition-notification\r\n":                            true,
		"Content-Type: message/delivery-status\r\n":                                            true,
		"Content-Type: multipart/report; report-type=\"Delivery-Status\"; boundary=b\r\n":      true,
		"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n": true,
		"Content-Type: Multipart/Report; report-type=delivery-status; boundary=b\r\n":          true,
		"Content-Type: multipart/report; boundary=b\r\n":                                       true,
		"Content-Type: message/disposition-notification\r\n":                                   true,
		"Content-Type: text/plain\r\nContent-Type: multipart/report\r\n":                       true,
		"Content-Type: text/plain\r\nContent-Type: text/html\r\n":                              false,
	} {
		if got := IsNotification(parseHeader(t, in+"\r\n")); got != want {
			t.Errorf("%q: %t", in, got)
		}
	}
}
