package metrics

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != 200 {
		t.Fatalf("%d: %v: %s", w.Code, err, body)
	}
	return string(body)
}

func TestSeriesAreReadWhenAskedFor(t *testing.T) {
	r := New()
	n := 1.0
	for _, s := range []Series{
		{Name: "bundle_age_seconds", Help: "How old.", Labels: []string{"bundle"}, Read: func() []Sample {
			return []Sample{{[]string{"a"}, n}, {[]string{`b"\`}, 2}}
		}},
		{Name: "lookups_total", Help: "How many.", Kind: Counter, Read: func() []Sample { return One(7) }},
	} {
		if err := r.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		text := scrape(t, r)
		for _, want := range []string{
			"# TYPE postern_bundle_age_seconds gauge", "# TYPE postern_lookups_total counter", "postern_lookups_total 7\n",
			`postern_bundle_age_seconds{bundle="b\"\\"} 2`, "go_goroutines ", "process_start_time_seconds ",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		if (n == 1) != strings.Contains(text, `postern_bundle_age_seconds{bundle="a"} 1`+"\n") {
			t.Errorf("with %v:\n%s", n, text)
		}
		n++
	}
}

func TestSeriesThatCannotBeAreRefused(t *testing.T) {
	r := New()
	read := func() []Sample { return nil }
	if err := r.Add(Series{Name: "x", Read: read}); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Series{
		"twice":         {Name: "x", Read: read},
		"no label name": {Name: "y", Labels: []string{"a b\xff"}, Read: read},
	} {
		if err := r.Add(s); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
