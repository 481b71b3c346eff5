package httpedge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/testnet"
)

// An exchange is what a test asked and what came.
type exchange struct {
	Method, URL   string
	RequestHeader http.Header
	Request       string
	Status        int
	Header        http.Header
	Answer        string
}

var exchanges struct {
	mu  sync.Mutex
	all []exchange
}

// record keeps an exchange to be held against the document. Those of octets have
// nothing to compare, and those of no resource are not in it.
func record(q *http.Request, body *strings.Reader, a *http.Response, answer []byte) {
	s := &Server{}
	s.routes = s.table()
	route, _, ok := s.find(q.URL.EscapedPath())
	if !ok || route.methods[q.Method].do == nil || strings.HasSuffix(q.URL.Path, "/raw") || strings.Contains(q.URL.Path, "/parts/") {
		return
	}
	request := make([]byte, body.Size())
	_, err := body.ReadAt(request, 0)
	if err != nil && err != io.EOF || len(request) > 1<<20 {
		return
	}
	exchanges.mu.Lock()
	defer exchanges.mu.Unlock()
	exchanges.all = append(exchanges.all, exchange{q.Method, q.URL.String(), q.Header, string(request), a.StatusCode, a.Header, string(answer)})
}

// What all tests asked and were answered is held against the document when they are
// over, by a public validator.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if code == 0 && len(exchanges.all) > 0 {
			code = heldAgainstDocument()
		}
		os.Exit(code)
	}))
}

func heldAgainstDocument() int {
	program, err := exec.LookPath("go")
	if err != nil {
		fmt.Println("there is no go to build the validator with: the answers were not validated")
		return 0
	}
	dir, err := os.MkdirTemp("", "exchanges")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "lines")
	err = writeExchanges(file)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	out, err := exec.Command(program, "-C", "testdata/client", "run", ".", "exchanges", "../../openapi.json", file).CombinedOutput()
	if err == nil {
		return 0
	}
	fmt.Printf("the answers of the tests are not as openapi.json says: %v\n%s", err, out)
	if strings.Contains(string(out), "dial tcp") && os.Getenv("CI") == "" {
		fmt.Println("the validator could not be fetched: the answers were not validated")
		return 0
	}
	return 1
}

func writeExchanges(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	for _, e := range exchanges.all {
		err = lines.Encode(e)
		if err != nil {
			return err
		}
	}
	return w.Flush()
}

// inClient runs the program that was generated from the document.
func inClient(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(testnet.Require(t, "go"), append([]string{"-C", "testdata/client"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		if strings.Contains(string(out), "dial tcp") && os.Getenv("CI") == "" {
			t.Skipf("what the client needs cannot be fetched: %s", out)
		}
		t.Fatalf("go %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// The document is one by a public validator.
func TestTheDocumentIsValid(t *testing.T) {
	out := inClient(t, "run", ".", "document", "../../openapi.json")
	if !strings.Contains(out, "the document is valid") {
		t.Error(out)
	}
}

// The client is the one that is generated from the document of today.
func TestTheClientIsGenerated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "api.gen.go")
	inClient(t, "tool", "oapi-codegen", "-config", "oapi-codegen.yaml", "-o", file, "../../openapi.json")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("testdata/client/api.gen.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("generate it anew: go -C httpedge/testdata/client tool oapi-codegen -config oapi-codegen.yaml -o api.gen.go ../../openapi.json")
	}
}

// documented is what the document says of each operation, in the words of the table.
func documented(t *testing.T) map[string]string {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	err := json.Unmarshal(openAPI, &doc)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for path, item := range doc.Paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op struct {
				Security   []map[string][]string
				Parameters []struct{ Name, In string }
			}
			err = json.Unmarshal(raw, &op)
			if err != nil {
				t.Fatal(err)
			}
			var scope, query []string
			for _, s := range op.Security {
				scope = append(scope, s["token"]...)
			}
			for _, p := range op.Parameters {
				if p.In == "query" {
					query = append(query, p.Name)
				}
			}
			all[strings.ToUpper(method)+" "+path] = fmt.Sprint(scope, query)
		}
	}
	return all
}

// The document has every route, with its scope and its parameters, and no other.
func TestTheDocumentHasEveryRoute(t *testing.T) {
	served := make(map[string]string)
	for _, r := range (&Server{}).table() {
		for method, a := range r.methods {
			var scope []string
			if a.scope != "" {
				scope = append(scope, string(a.scope))
			}
			served[method+" /"+strings.Join(r.path, "/")] = fmt.Sprint(scope, a.query)
		}
	}
	if diff := cmp.Diff(documented(t), served); diff != "" {
		t.Errorf("(-document +served)\n%s", diff)
	}
	if n := len(slices.Collect(maps.Keys(served))); n < 15 {
		t.Errorf("%d routes", n)
	}
}

func TestTheDocumentIsServed(t *testing.T) {
	r := newRig(t, &house{})
	a := r.ok(r.do("GET", "/openapi.json", "", "Authorization: "), 200)
	if a.body != string(openAPI) || a.Header.Get("Content-Type") != "application/json" {
		t.Error("another one is served")
	}
}
