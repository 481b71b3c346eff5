package reason_test

import (
	"strings"
	"testing"
	"time"

	"postern/trust/reason"
)

func TestLineIsHarmless(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain ~":                  "plain ~",
		"a\r\nb\x00\x1b[2J\x7f":    "a??b??[2J?",
		"caf\u00e9 \u202e":         "caf? ?",
		"\xff\xfe":                 "??",
		strings.Repeat("x", 12):    strings.Repeat("x", 12),
		strings.Repeat("x", 13):    strings.Repeat("x", 12) + "...",
		"elevenoctet\u00e9 beyond": "elevenoctet?...",
	} {
		if got := reason.Line(text, 12); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

func TestDatesAreInUTC(t *testing.T) {
	at := time.Date(2026, 1, 2, 1, 30, 0, 999, time.FixedZone("", 3600))
	if got := reason.Date(at); got != "2026-01-02T00:30:00Z" {
		t.Error(got)
	}
}
