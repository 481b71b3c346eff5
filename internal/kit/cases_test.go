package kit

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// edgeCases are those of the Edge Testing Tool that a HISP meets at its edges, by their
// numbers.
func edgeCases() map[string][]int {
	return map[string][]int{
		"SMTP": {8, 9, 10, 11, 12, 13, 14, 16, 17, 20, 22, 25, 26, 27, 28, 29},
		"IMAP": {1, 2, 3, 8, 9, 10, 11, 15, 17, 32},
		"POP":  {1, 2, 5, 9, 10, 11, 15, 17, 32},
	}
}

// TestEveryEdgeCaseIsShown holds the cases of docs/conformance.md to the tree: each has a
// row, and each test that the row names has the case's name in one of its texts, so that it
// is found by it.
func TestEveryEdgeCaseIsShown(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]row)
	for _, r := range tables(string(text)) {
		rows[r[0]] = r
	}
	tests := testsOfTheTree(t)
	for protocol, numbers := range edgeCases() {
		for _, n := range numbers {
			name := fmt.Sprintf("%s %d", protocol, n)
			r, ok := rows[name]
			if !ok || len(r) != 3 {
				t.Errorf("%s has no row", name)
				continue
			}
			shown := named(r[2], testName.MatchString)
			if len(shown) == 0 {
				t.Errorf("%s is shown by nothing", name)
			}
			inText := regexp.MustCompile(`"[^"\n]*\b` + name + `[a-f]?\b`)
			for _, test := range shown {
				if !inText.MatchString(tests[test]) {
					t.Errorf("%s does not have the name of %s", test, name)
				}
			}
		}
	}
}
