package mime

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAS1_ParseAddress(t *testing.T) {
	local64, label63 := strings.Repeat("l", 64), strings.Repeat("d", 63)
	tests := []struct {
		in, want string // want is String; empty means refused
	}{
		{"a@b.example", "a@b.example"},
		{"A.b+c@B.Example.", "A.b+c@b.example"},
		{"!#$%&'*+-/=?^_`{|}~@b.example", "!#$%&'*+-/=?^_`{|}~@b.example"},
		{`"a b"@b.example`, `"a b"@b.example`},
		{`"a"@b.example`, "a@b.example"},
		{`"a@x.example"@b.example`, `"a@x.example"@b.example`},
		{`"\"\\"@b.example`, `"\"\\"@b.example`},
		{local64 + "@b.example", local64 + "@b.example"},
		{"a@" + label63 + ".example", "a@" + label63 + ".example"},
		{"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"", ""}, {"a", ""}, {"@b.example", ""}, {"a@", ""}, {"a@b", ""}, {`""@b.example`, ""},
		{"<a@b.example>", ""}, {"A <a@b.example>", ""}, {"a@[127.0.0.1]", ""}, {"a@b.example ", ""},
		{".a@b.example", ""}, {"a.@b.example", ""}, {"a..b@b.example", ""}, {"a b@b.example", ""},
		{"a@b@c.example", ""}, {"a(x)@b.example", ""}, {"é@b.example", ""}, {"a@é.example", ""},
		{"a@b_c.example", ""}, {"a@-b.example", ""}, {"a@b-.example", ""}, {"a@b..example", ""}, {"a@b.example..", ""},
		{`"a@b.example`, ""}, {`"a\"@b.example`, ""}, {`"a"b"@b.example`, ""}, {"\"a\r\nb\"@b.example", ""}, {"\"a\x00\"@b.example", ""},
		{local64 + "l@b.example", ""}, {"a@" + label63 + "d.example", ""}, {"a@" + strings.Repeat("d.", 130) + "example", ""},
	}
	for _, tt := range tests {
		a, err := ParseAddress(tt.in)
		if (err == nil) != (tt.want != "") || err != nil && !errors.Is(err, ErrAddress) {
			t.Errorf("ParseAddress(%q): error %v", tt.in, err)
		}
		if a.String() != tt.want {
			t.Errorf("ParseAddress(%q) = %q, want %q", tt.in, a, tt.want)
		}
	}
}

func TestAS4_AS5_CaseIsKeptAndIgnored(t *testing.T) {
	a, err := ParseAddress("Dr.A@B.example")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewAddress("dr.a", "b.EXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	if a == b || !a.Same(b) || a.Key() != b.Key() || a.Local() != "Dr.A" || a.Domain() != "b.example" {
		t.Errorf("%v and %v", a, b)
	}
}

func TestAddressText(t *testing.T) {
	for _, s := range []string{"", "a@b.example", `"a b"@b.example`} {
		var a Address
		err := a.UnmarshalText([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.MarshalText()
		if err != nil || string(got) != s || a.IsZero() != (s == "") {
			t.Errorf("%q became %q, %v", s, got, err)
		}
	}
	a := Address{local: "kept", domain: "b.example"}
	if err := a.UnmarshalText([]byte("nonsense")); err == nil || a.Local() != "kept" {
		t.Errorf("nonsense: %v, %v", a, err)
	}
}

func TestCP16_ParseTypedAddress(t *testing.T) {
	got := map[string]string{}
	want := map[string]string{
		"rfc822;a@b.example": "a@b.example", " RFC822 ; <a@b.example> ": "a@b.example", "a@b.example": "a@b.example",
		`"a;b"@c.example`: `"a;b"@c.example`, "utf-8; a@b.example": "a@b.example", "x400;/S=a": "", "": "",
	}
	for in := range want {
		a, _ := ParseTypedAddress(in)
		got[in] = a.String()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzAddress(f *testing.F) {
	f.Add("a@b.example")
	f.Add(`"a\"b c"@b.example`)
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		again, err := ParseAddress(a.String())
		if err != nil || again != a {
			t.Fatalf("%q became %q, then %q, %v", s, a, again, err)
		}
		if strings.ContainsAny(a.String(), "\r\n\x00") {
			t.Fatalf("%q has line breaks", a)
		}
		h := Header{}
		if err := h.Add("To", a.String()); err != nil {
			t.Fatal(err)
		}
		list, err := h.Addresses("To")
		if err != nil || len(list) != 1 || list[0] != a {
			t.Fatalf("%q in a header is %v, %v", a, list, err)
		}
	})
}
