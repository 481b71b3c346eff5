package mime

import (
	"bufio"
	"errors"
	"strings"
	"testing"
)

// An error of a header names its field by a word of ours or by its place, and never by
// what came.
func TestFieldErrors(t *testing.T) {
	const from = "from: a@a.example\r\n"
	long := strings.Repeat("x", 990)
	for raw, want := range map[string]string{
		from + "SUBJECT: a" + long + "\r\n":                   "Subject",
		from + "Subject: a\r\n b" + long + long:               "Subject",
		from + "X-Jane-Doe: " + long + "\r\n":                 "field 2",
		from + "Jane Doe" + long + "\r\n":                     "field 2",
		from + "To: b@b.example, \x00\r\n":                    "To",
		from + "\x00To: b@b.example\r\n":                      "field 2",
		from + "To: b@b.example\nCc: b@b.example\r\n":         "To",
		from + "Date: x\rSubject: y\r\n":                      "Date",
		from + "Jane Doe\r\n":                                 "field 2",
		from + "Jane Doe: born 1970\r\n":                      "field 2",
		from + "Subject: \xfc\r\n":                            "Subject",
		from + "Jane_Doe: \xfc\r\n":                           "field 2",
		from + "Date: M\u00fcller\r\n":                        "Date",
		from + "Cc: b\u00f6b@b.example\r\n":                   "Cc",
		from + "Content-Type: text/plain; x=\u00fc;\"":        "Content-Type",
		from + "Resent-From: <\r\n":                           "Resent-From",
		from + "\r\n" + long + long:                           "",
		from + strings.Repeat("X: x\r\n", 2000):               "",
		"From: " + strings.Repeat("<a@a.example>,", 60) + "<": "From",
	} {
		h, err := ReadHeader(bufio.NewReader(CheckLines(strings.NewReader(raw), 0)), Limits{})
		if err == nil {
			_, err = h.InASCII()
		}
		for _, name := range []string{"From", "Resent-From"} {
			if err == nil {
				_, err = h.Addresses(name)
			}
		}
		var in *FieldError
		got := ""
		if errors.As(err, &in) {
			got = in.Field()
		}
		if got != want {
			t.Errorf("%.60q: %q, want %q: %v", raw, got, want, err)
		}
		if err != nil && (strings.Contains(err.Error(), "Jane") || strings.Contains(err.Error(), "xxx")) {
			t.Errorf("%.60q: the error has what came: %v", raw, err)
		}
	}
}
