package mime

import (
	"errors"
	"strings"
	"testing"
)

// RFC 2047: what is written for a reader comes back as it was, in lines that any
// agent takes.
func TestEncodeText(t *testing.T) {
	for _, s := range []string{
		"", "a plain subject", "Überweisung für Jörg", "=?utf-8?q?not_a_word?=", "two =?x?= and é",
		strings.Repeat("日本語", 60), strings.Repeat("=?", 80), "trailing space ", "a\u00a0b",
	} {
		value, err := EncodeText(s)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		h := &Header{}
		err = h.Add("Subject", value)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if got := DecodeText(h.Get("Subject")); got != strings.TrimRight(s, " ") && got != s {
			t.Errorf("%q came back as %q", s, got)
		}
		for word := range strings.FieldsSeq(value) {
			if strings.HasPrefix(word, "=?") && len(word) > 75 {
				t.Errorf("%q: a word of %d characters", s, len(word))
			}
		}
	}
}

func TestEncodeTextRefusesWhatCouldBeAField(t *testing.T) {
	for _, s := range []string{"a\r\nBcc: x@x.example", "a\nb", "a\rb", "\x00", "\x7f", "a\u0085b", "a\u2028b", "\xff"} {
		_, err := EncodeText(s)
		if !errors.Is(err, ErrHeader) {
			t.Errorf("EncodeText(%q): %v", s, err)
		}
		_, err = EncodeMailbox(s, Address{})
		if !errors.Is(err, ErrHeader) {
			t.Errorf("EncodeMailbox(%q): %v", s, err)
		}
	}
}

func TestEncodeMailbox(t *testing.T) {
	a, err := ParseAddress("a@a.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"":             "a@a.example",
		"Alice Ann":    "Alice Ann <a@a.example>",
		"Dr. Alice":    "=?utf-8?q?=44=72=2E=20=41=6C=69=63=65?= <a@a.example>",
		`x <b@b.exam>`: "=?utf-8?q?=78=20=3C=62=40=62=2E=65=78=61=6D=3E?= <a@a.example>",
	} {
		got, err := EncodeMailbox(name, a)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", name, got, err)
		}
		h := &Header{}
		err = h.Add("From", got)
		if err != nil {
			t.Fatal(err)
		}
		all, err := h.Addresses("From")
		if err != nil || len(all) != 1 || all[0] != a {
			t.Errorf("%q is read as %v, %v", got, all, err)
		}
	}
}

func TestDecodeTextLeavesWhatItCannotRead(t *testing.T) {
	for in, want := range map[string]string{
		"=?utf-7?q?+AOk-?= x":  "=?utf-7?q?+AOk-?= x",
		"=?koi8-r?q?=C1?= x":   "а x",
		"=?gb2312?b?1tA=?=":    "中",
		"=?iso-8859-1?q?=E9?=": "é",
		"raw \xe9":             "raw \uFFFD",
	} {
		if got := DecodeText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
