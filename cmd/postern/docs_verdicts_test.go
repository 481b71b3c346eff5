package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/control"
)

const verdicts = "../../docs/verdicts.md"

// shown FILE EXAMPLE checks that a file, or stderr, is what docs/verdicts.md
// shows as the example, but for fingerprints, times, ages and hosts.
func scriptShown(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shown file example")
	}
	text, err := os.ReadFile(verdicts)
	ts.Check(err)
	_, rest, found := strings.Cut(string(text), "<!-- example "+args[1]+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	want, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		ts.Fatalf("%s has no example %s", verdicts, args[1])
	}
	got := ts.ReadFile(args[0])
	if strings.HasPrefix(want, "{") {
		got, want = indented(ts, got), indented(ts, want)
	}
	if diff := cmp.Diff(general(want), general(got)); diff != "" {
		ts.Fatalf("%s shows another %s (-document +command):\n%s", verdicts, args[1], diff)
	}
}

func indented(ts *testscript.TestScript, text string) string {
	var value any
	ts.Check(json.Unmarshal([]byte(text), &value))
	out, err := json.MarshalIndent(value, "", " ")
	ts.Check(err)
	return string(out)
}

var changing = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b([0-9a-f]{64}|[0-9a-f]{16})\b`), "SHA256"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "TIME"},
	{regexp.MustCompile(`\d+ (s|min|h) old`), "AGE old"},
	{regexp.MustCompile(`"age_seconds": \d+`), `"age_seconds": AGE`},
	{regexp.MustCompile(`http://[^/]+/`), "http://HOST/"},
	{regexp.MustCompile(`at 127\.0\.0\.1:\d+`), "at SERVER"},
	{regexp.MustCompile(`\d+\.\d ms`), "TIME ms"},
	{regexp.MustCompile(`counts for (59 s|1 min)`), "counts for a minute"},
	{regexp.MustCompile(`until \d{4}-\d\d-\d\d\b`), "until DAY"},
}

// general is a text without what is another each time.
func general(text string) string {
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.instead)
	}
	return text
}

// Every key of a verdict is explained.
func TestVerdictsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(verdicts)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{control.OpenVerdict{}, control.SealVerdict{}, control.LookupAnswer{}} {
		for _, key := range keysOf(reflect.TypeOf(v)) {
			if !strings.Contains(string(text), "`"+key+"`") {
				t.Errorf("%s does not explain %q of %T", verdicts, key, v)
			}
		}
	}
}

func keysOf(t reflect.Type) (keys []string) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" {
		return nil
	}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if key != "" {
			keys = append(keys, key)
		}
		keys = append(keys, keysOf(t.Field(i).Type)...)
	}
	return keys
}
