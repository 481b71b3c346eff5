package kit

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the top of the tree.
const root = "../.."

// A row is one line of a table of docs/conformance.md, cell by cell.
type row []string

var (
	code     = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark)\w*$`)
	function = regexp.MustCompile(`^((?:Test|Fuzz|Benchmark)\w*)\(`)
)

// TestConformanceIsTrue holds docs/conformance.md to the tree: every test and
// every vector it names is there, the vectors are about the row that they stand
// in, and one test at least carries the row's name, unless it is a later part's.
// A vector is such a test: TestKit runs it under the names of its rows.
func TestConformanceIsTrue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	for name := range testsOfTheTree(t) {
		tests[name] = true
	}
	vectors := make(map[string]vector)
	for _, v := range readManifest(t).Vectors {
		vectors[v.ID] = v
	}
	seen := make(map[string]bool)
	for _, r := range tables(string(text)) {
		for _, problem := range r.problems(tests, vectors) {
			t.Errorf("%s: %s", r[0], problem)
		}
		if seen[r[0]] && rowForm.MatchString(r[0]) {
			t.Errorf("%s stands twice", r[0])
		}
		seen[r[0]] = true
	}
	for _, name := range requiredRows() {
		if !seen[name] {
			t.Errorf("%s has no row", name)
		}
	}
	for _, name := range named(string(text), testName.MatchString) {
		if !tests[name] {
			t.Errorf("there is no test %s", name)
		}
	}
}

// requiredRows are those of the specification, which leaves some numbers out.
func requiredRows() []string {
	var all []string
	for _, r := range []struct {
		family      string
		first, last int
	}{
		{"AS", 1, 6},
		{"AS", 10, 23},
		{"AS", 30, 37},
		{"AS", 40, 80},
		{"AS", 85, 95},
		{"CP", 1, 30},
		{"CD", 1, 12},
		{"CD", 20, 32},
		{"CD", 40, 45},
		{"TB", 1, 24},
		{"DN", 1, 30},
		{"EP", 1, 2},
		{"EP", 4, 26},
		{"S10", 1, matrixRows},
	} {
		for n := r.first; n <= r.last; n++ {
			all = append(all, fmt.Sprintf("%s-%d", r.family, n))
		}
	}
	return all
}

// problems returns what a row says that is not so.
func (r row) problems(tests map[string]bool, vectors map[string]vector) []string {
	var all []string
	line := strings.Join(r, " ")
	shown := strings.Contains(line, laterPart)
	for _, name := range named(line, testName.MatchString) {
		shown = shown || tests[name] && slices.Contains(rowsOf(name), r[0])
	}
	for _, id := range named(line, idForm.MatchString) {
		v, ok := vectors[id]
		if !ok {
			all = append(all, "there is no vector "+id)
			continue
		}
		shown = true
		if rowForm.MatchString(r[0]) && !slices.Contains(v.Rows, r[0]) {
			all = append(all, id+" is not about it")
		}
		if want := map[string]string{"pass": "accepted", "refused": "refused"}[r.result()]; want != "" && v.Verdict != want {
			all = append(all, fmt.Sprintf("%s is %s", id, v.Verdict))
		}
	}
	if slices.Contains(requiredRows(), r[0]) && !shown {
		all = append(all, "no test carries its name")
	}
	return all
}

// laterPart is how a row says that it binds what is not built yet.
const laterPart = "Later: "

var rowInName = regexp.MustCompile(`^(?:Interop)?(AS|CP|CD|DN|EP|TB)([0-9]+)$`)

// rowsOf are the rows that a test carries in its name, such as AS-42 and AS-44
// in TestAS42_AS44_RoundTrip.
func rowsOf(test string) []string {
	var all []string
	for part := range strings.SplitSeq(strings.TrimPrefix(test, "Test"), "_") {
		m := rowInName.FindStringSubmatch(part)
		if m != nil {
			all = append(all, m[1]+"-"+m[2])
		}
	}
	return all
}

// result is the third cell, which is the result in the tables of variants.
func (r row) result() string {
	if len(r) < 3 {
		return ""
	}
	return r[2]
}

// tables returns the rows of all tables, their heads apart.
func tables(text string) []row {
	var all []row
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		var r row
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			r = append(r, strings.TrimSpace(cell))
		}
		all = append(all, r)
	}
	return all
}

// named returns what stands in code letters and is of a form.
func named(text string, form func(string) bool) []string {
	var all []string
	for _, m := range code.FindAllStringSubmatch(text, -1) {
		if form(m[1]) {
			all = append(all, m[1])
		}
	}
	return all
}

// testsOfTheTree are all tests, with their text.
func testsOfTheTree(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for piece := range strings.SplitSeq("\n"+string(text), "\nfunc ") {
			m := function.FindStringSubmatch(piece)
			if m != nil {
				all[m[1]] += piece
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("%d tests only", len(all))
	}
	return all
}
