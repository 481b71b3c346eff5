package mime

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// leaves reads a message and returns the type and the octets of each leaf.
func leaves(t testing.TB, raw string) []string {
	t.Helper()
	_, all, err := Outline(strings.NewReader(raw), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range all {
		out = append(out, l.Media.Type+" "+raw[l.From:l.To])
	}
	return out
}

func TestOutline(t *testing.T) {
	for name, tt := range map[string]struct {
		raw  string
		want []string
	}{
		"no parts": {"Subject: x\r\n\r\none\r\ntwo\r\n", []string{"text/plain one\r\ntwo\r\n"}},
		"no body":  {"Subject: x\r\n\r\n", []string{"text/plain "}},
		"nothing":  {"", []string{"text/plain "}},
		"two": {"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: application/pdf\r\n\r\ntwo\r\n\r\n--b--\r\nepilogue",
			[]string{"text/plain one", "application/pdf two\r\n"}},
		"nested": {"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c\nContent-Type: text/html\n\ntwo\n--c--\n\n--b\n\nthree\n--b--\n",
			[]string{"text/plain one", "text/html two", "text/plain three"}},
		"a message inside": {"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\n\r\nx\r\n--d--\r\n\r\n--b--\r\n",
			[]string{"message/rfc822 Content-Type: multipart/mixed; boundary=d\r\n\r\n--d\r\n\r\nx\r\n--d--\r\n"}},
		"no boundary": {"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx", []string{"application/octet-stream --b\r\n\r\nx"}},
		"an encoded multipart": {"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\neA==",
			[]string{"application/octet-stream eA=="}},
		"a header that is none": {"no header\r\n\r\nx", []string{"application/octet-stream x"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, leaves(t, tt.raw)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Parts of which a reader chooses one are known as such (RFC 2046 §5.1.4).
func TestOutlineAlternatives(t *testing.T) {
	in := func(kind, boundary string, parts ...string) string {
		b := "\r\n--" + boundary
		return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n" + b + "\r\n" + strings.Join(parts, b+"\r\n") + b + "--\r\n"
	}
	leaf := "\r\nx"
	for name, tt := range map[string]struct {
		raw  string
		want [][2]int
	}{
		"none":         {leaf, [][2]int{{0, 0}}},
		"mixed":        {in("mixed", "b", leaf, leaf), [][2]int{{0, 0}, {0, 0}}},
		"alternative":  {in("alternative", "b", leaf, leaf), [][2]int{{1, 1}, {1, 2}}},
		"related":      {in("alternative", "b", leaf, in("related", "c", leaf, leaf), leaf), [][2]int{{1, 1}, {1, 2}, {1, 2}, {1, 3}}},
		"several":      {in("mixed", "b", in("alternative", "c", leaf, leaf), leaf, in("alternative", "d", leaf)), [][2]int{{1, 1}, {1, 2}, {0, 0}, {2, 1}}},
		"within":       {in("alternative", "b", leaf, in("alternative", "c", leaf, leaf), leaf), [][2]int{{1, 1}, {2, 1}, {2, 2}, {1, 3}}},
		"a broken one": {in("mixed", "b", "Content-Type: multipart/alternative\r\n\r\nx", leaf), [][2]int{{0, 0}, {0, 0}}},
	} {
		_, all, err := Outline(strings.NewReader(tt.raw), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var got [][2]int
		for _, l := range all {
			got = append(got, [2]int{l.Alternative, l.Choice})
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestOutlineIsBounded(t *testing.T) {
	deep := strings.Repeat("Content-Type: multipart/mixed; boundary=b\n\n--b\n", 3)
	_, _, err := Outline(strings.NewReader(deep), Limits{Depth: 2})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("depth: %v", err)
	}
	many := "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 20)
	_, _, err = Outline(strings.NewReader(many), Limits{Parts: 10})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("parts: %v", err)
	}
	large := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\nX: "+strings.Repeat("x", 10_000)+"\r\n\r\n\r\n", maxOutline/10_000+1)
	_, _, err = Outline(strings.NewReader(large), Limits{})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("large headers: %v", err)
	}
}

// What is composed with HTML has both forms, and the attachments byte for byte.
func TestComposeWithHTML(t *testing.T) {
	h := &Header{}
	if err := h.Add("From", "a@a.example"); err != nil {
		t.Fatal(err)
	}
	m := Message{Header: h, Text: "été\n", HTML: "<p>été</p>\n", Attachments: []Attachment{{Type: "application/pdf", Name: "Übung.pdf", Content: strings.NewReader("\x00\r\n\xff")}}}
	var b bytes.Buffer
	if err := m.Compose(&b, nil); err != nil {
		t.Fatal(err)
	}
	raw := b.String()
	_, all, err := Outline(strings.NewReader(raw), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range all {
		r, err := DecodeTransfer(l.Header, strings.NewReader(raw[l.From:l.To]))
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err = body.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		got = append(got, l.Media.Type+" "+l.Header.FileName()+" "+body.String())
	}
	want := []string{"text/plain  été\r\n", "text/html  <p>été</p>\r\n", "application/pdf Übung.pdf \x00\r\n\xff"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzOutline: the leaves lie in order within the message, and no part of it can
// make reading fail but a limit.
func FuzzOutline(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b--\r\n"))
	f.Add([]byte("Content-Type: message/rfc822\n\nContent-Type: multipart/digest; boundary=\"x y\"\n\n--x y\n\nA: b\n\n--x y--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		_, all, err := Outline(bytes.NewReader(raw), Limits{Depth: 5, Parts: 50})
		if err != nil {
			if !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			return
		}
		at := int64(0)
		for _, l := range all {
			if l.From < at || l.To < l.From || l.To > int64(len(raw)) {
				t.Fatalf("%+v behind %d in %d octets", l, at, len(raw))
			}
			at = l.To
		}
	})
}
