package main

import (
	"bytes"
	"strings"
	"testing"

	"postern/internal/control"
)

// Where a step took several questions each is told, and a single one is not told
// twice.
func TestLookupTellsEveryQuestion(t *testing.T) {
	refused := control.LookupQuestion{Query: "x.c.example CERT", Server: "192.0.2.1:53", Answer: "refused", Detail: "REFUSED", Milliseconds: 1.25}
	answered := control.LookupQuestion{Query: "x.c.example CERT", Server: "192.0.2.2:53", Answer: "no-such-name"}
	for name, tt := range map[string]struct {
		questions []control.LookupQuestion
		want      string
	}{
		"one": {[]control.LookupQuestion{answered}, ""},
		"two": {[]control.LookupQuestion{refused, answered},
			"  asked: x.c.example CERT at 192.0.2.1:53: refused, REFUSED (1.2 ms)\n  asked: x.c.example CERT at 192.0.2.2:53: no-such-name (0.0 ms)\n"},
	} {
		var out bytes.Buffer
		printLookup(&invocation{environment: environment{stdout: &out}}, control.LookupAnswer{Questions: 2,
			Steps: []control.LookupStep{{Source: "dns-address", Query: "x.c.example CERT", Questions: tt.questions, Then: "nothing here"}}})
		_, after, _ := strings.Cut(out.String(), "\n")
		told, _, _ := strings.Cut(after, "  then:")
		if told != tt.want {
			t.Errorf("%s: told %q, want %q", name, told, tt.want)
		}
	}
}
