package mime

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestPlainDate(t *testing.T) {
	for in, want := range map[string]string{
		"Mon, 01 Jun 2026 12:00:00 +0000":                   "Mon, 01 Jun 2026 12:00:00 +0000",
		"Mon, 1 Jun 2026 12:00:00 -0500":                    "Mon, 1 Jun 2026 12:00:00 -0500",
		" 1 Jun 2026 12:00 -0500 ":                          "1 Jun 2026 12:00 -0500",
		"Mon, 1 Jun 2026 12:00:00 +0200 (CEST)":             "Mon, 01 Jun 2026 12:00:00 +0200",
		"Mon, 1 Jun 2026 12:00:00 +0000 (Jane Doe, cancer)": "Mon, 01 Jun 2026 12:00:00 +0000",
		"Mon, 1 Jun 2026 12:00:00 GMT":                      "Mon, 01 Jun 2026 12:00:00 +0000",
		"Tue, 1 Jun 2026 12:00:00 +0000":                    "Mon, 01 Jun 2026 12:00:00 +0000",
		"Mon, 1 Jun 2026 12:00:00 EST":                      "",
		"Jane Doe":                                          "",
		"":                                                  "",
		"2026-06-01T12:00:00Z":                              "",
		"Mon, 1 Jun 2026 12:00:00 +0000 Jane Doe":           "Mon, 01 Jun 2026 12:00:00 +0000",
		"Mon, 31 Feb 2026 12:00:00 +0000":                   "",
		"Mon, 1 Jun 2026 12:00:00 +0000 (" + strings.Repeat("x", maxDate) + ")": "",
	} {
		got, err := PlainDate(in)
		if got != want || want == "" && !errors.Is(err, ErrDate) || want != "" && err != nil {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

// A plain date is plain, is the same instant, and stays as it is.
func FuzzPlainDate(f *testing.F) {
	f.Add("Mon, 1 Jun 2026 12:00:00 +0200 (CEST)")
	f.Fuzz(func(t *testing.T, in string) {
		plain, err := PlainDate(in)
		if err != nil {
			return
		}
		if strings.ContainsAny(plain, "()\r\n\t\\\"") {
			t.Errorf("%q has more than a date", plain)
		}
		again, err := PlainDate(plain)
		if err != nil || again != plain {
			t.Errorf("%q becomes %q, %v", plain, again, err)
		}
		ok := false
		for _, form := range plainDates() {
			_, err := time.Parse(form, plain)
			ok = ok || err == nil
		}
		if !ok {
			t.Errorf("%q is of no plain form", plain)
		}
	})
}
