package metrics

import (
	"fmt"
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

// Series that were added together are told from one reading, made when somebody
// asks.
func TestSeriesAreReadTogetherWhenAskedFor(t *testing.T) {
	r := New()
	n := 0
	read := func() int { n++; return n }
	err := Add(r, read,
		Series[int]{Name: "bundle_age_seconds", Help: "How old.", Labels: []string{"bundle"}, Samples: func(n int) []Sample {
			return []Sample{{[]string{"a"}, float64(n)}, {[]string{`b"\`}, 2}}
		}},
		Counts("lookups_total", "How many.", func(n int) uint64 { return uint64(n) }),
	)
	if err != nil || n != 0 {
		t.Fatalf("%v, read %d times", err, n)
	}
	for want := 1; want <= 2; want++ {
		text := scrape(t, r)
		for _, want := range []string{
			"# TYPE postern_bundle_age_seconds gauge", "# TYPE postern_lookups_total counter",
			fmt.Sprintf("postern_lookups_total %d\n", want), fmt.Sprintf("postern_bundle_age_seconds{bundle=\"a\"} %d\n", want),
			`postern_bundle_age_seconds{bundle="b\"\\"} 2`, "go_goroutines ", "process_start_time_seconds ",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
}

func TestSeriesThatCannotBeAreRefused(t *testing.T) {
	r := New()
	read := func() int { return 0 }
	none := func(int) []Sample { return nil }
	if err := Add(r, read, Series[int]{Name: "x", Samples: none}); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Series[int]{
		"twice":         {Name: "x", Samples: none},
		"no label name": {Name: "y", Labels: []string{"a b\xff"}, Samples: none},
	} {
		if err := Add(r, read, s); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
