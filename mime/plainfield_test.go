package mime

import (
	"bytes"
	"testing"
)

func TestPlainField(t *testing.T) {
	for in, want := range map[string]string{
		"X: y\r\n":                      "X: y\r\n",
		"X: a\r\n\tb\r\n":               "X: a\r\n\tb\r\n",
		"X: y\n":                        "X: y\r\n",
		"X: a\n b\r\n c\n":              "X: a\r\n b\r\n c\r\n",
		"X: y":                          "X: y",
		"X: y\x0bA: b\r\n":              "X: y A: b\r\n",
		"X: \x0c\x1c\x1d\x1e\x1f\x7f\n": "X:       \r\n",
		"X: é\u0085A: b\n":              "X: é A: b\r\n",
		"X: \u2028A: b\u2029c\r\n":      "X:  A: b c\r\n",
		"X: \x85A: \xff…Å\r\n":          "X:  A: \xff…Å\r\n",
	} {
		got := Field{Name: "X", Raw: []byte(in)}.Plain()
		if string(got.Raw) != want || got.Name != "X" {
			t.Errorf("%q becomes %q, want %q", in, got.Raw, want)
		}
		if again := got.Plain(); !bytes.Equal(again.Raw, got.Raw) {
			t.Errorf("%q becomes %q", got.Raw, again.Raw)
		}
	}
}
