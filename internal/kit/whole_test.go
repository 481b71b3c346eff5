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

	"postern/trust/reason"
)

// wanted is how many vectors there are at least.
const wanted = 120

// matrixRows is how many rows the reject matrix of the specification has.
const matrixRows = 22

// TestManifestIsWhole holds the manifest to its own README.
func TestManifestIsWhole(t *testing.T) {
	m := readManifest(t)
	if m.Version != 1 || len(m.Vectors) < wanted {
		t.Errorf("version %d with %d vectors, want 1 with at least %d", m.Version, len(m.Vectors), wanted)
	}
	seen := make(map[string]bool)
	for _, v := range m.Vectors {
		if seen[v.ID] {
			t.Errorf("%s stands twice", v.ID)
		}
		seen[v.ID] = true
		for _, problem := range v.problems() {
			t.Errorf("%s: %s", v.ID, problem)
		}
	}
}

var (
	idForm  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	rowForm = regexp.MustCompile(`^(AS|CP|BB|S10)-[1-9][0-9]?$`)
)

// problems returns what in a vector is not as the README says.
func (v vector) problems() []string {
	var all []string
	complain := func(wrong bool, format string, args ...any) {
		if wrong {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	oneOf := func(field, value string, values ...string) {
		complain(!slices.Contains(values, value), "%s is %q", field, value)
	}
	complain(!idForm.MatchString(v.ID), "its id has other letters")
	complain(v.Shows == "", "it does not say what it shows")
	complain(len(v.Rows) == 0, "it has no row of the specification")
	for _, r := range v.Rows {
		complain(!rowForm.MatchString(r), "%q is no row", r)
	}
	oneOf("maker", v.Maker, "openssl", "bouncycastle", "gpgsm", "crafted")
	oneOf("profile", v.Profile, "1.2", "1.3", "both")
	oneOf("policy.revocation", v.Policy.Revocation, "soft", "hard")
	oneOf("policy.signers", v.Policy.Signers, "community", "ev", "either")
	oneOf("verdict", v.Verdict, "accepted", "refused")
	code, err := reason.Parse(v.Reason)
	complain(err != nil, "its reason: %v", err)
	complain(code.IsOK() != (v.Verdict == "accepted"), "%s for the reason %s", v.Verdict, v.Reason)
	complain((v.InnerSHA256 != "") != (v.Verdict == "accepted"), "an accepted vector has inner_sha256, a refused one has not")
	complain(v.Time.IsZero(), "it has no time")
	complain(len(v.Recipients) == 0, "it has no recipient")
	return all
}

// TestEveryFileIsInTheManifest finds vectors that nobody runs, and files that
// are missing.
func TestEveryFileIsInTheManifest(t *testing.T) {
	used := make(map[string]bool)
	for _, v := range readManifest(t).Vectors {
		for _, f := range v.files() {
			used[f] = true
		}
	}
	for _, name := range []string{"vectors", "network"} {
		err := filepath.WalkDir(filepath.Join(folder, name), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			file := filepath.ToSlash(strings.TrimPrefix(path, filepath.Clean(folder)+string(filepath.Separator)))
			if !used[file] {
				t.Errorf("%s belongs to no vector", file)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for f := range used {
		_, err := os.Stat(filepath.Join(folder, filepath.FromSlash(f)))
		if err != nil {
			t.Errorf("the manifest names what is not there: %v", err)
		}
	}
}

// files are all that a vector names.
func (v vector) files() []string {
	all := slices.Concat([]string{v.File}, v.Anchors, v.Policy.EVRoots)
	for _, k := range v.Keys {
		all = append(all, k.Certificate, k.Key)
	}
	for _, f := range v.Network {
		if f != down {
			all = append(all, f)
		}
	}
	return all
}

// TestKeysAreMarked keeps anybody from taking a key of the kit for a real one.
func TestKeysAreMarked(t *testing.T) {
	keys, err := filepath.Glob(filepath.Join(folder, "pki", "*.key"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys: %v", len(keys), err)
	}
	for _, k := range keys {
		text, err := os.ReadFile(k)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "TEST ONLY") {
			t.Errorf("%s is not marked as one for tests alone", k)
		}
	}
}

// TestMatrixIsCovered looks for every row of the reject matrix.
func TestMatrixIsCovered(t *testing.T) {
	covered := make(map[string]bool)
	for _, v := range readManifest(t).Vectors {
		for _, r := range v.Rows {
			covered[r] = true
		}
	}
	for n := 1; n <= matrixRows; n++ {
		if row := fmt.Sprintf("S10-%d", n); !covered[row] {
			t.Errorf("no vector shows %s", row)
		}
	}
}
