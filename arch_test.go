package postern

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// A listed package is what go list says of one.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		p.ImportPath = room(p.ImportPath)
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// room is a package's path within the module.
func room(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, "postern"), "/")
}

// below reports whether a package is the room or inside of it.
func below(pkg, room string) bool { return pkg == room || strings.HasPrefix(pkg, room+"/") }

// TestImportLines holds the floors of the house: a room may reach, directly or
// through others, only the rooms that stand here beside it.
func TestImportLines(t *testing.T) {
	floors := map[string][]string{
		"trust/reason":             {},
		"mime":                     {},
		"internal/cms":             {"mime"},
		"bundle":                   {"mime", "internal/cms", "internal/guard", "internal/fetch"},
		"trust":                    {"mime", "internal/cms"},
		"trust/discovery":          {"mime", "internal/cms", "trust", "bundle", "internal/guard", "internal/fetch"},
		"sta":                      {"mime", "internal/cms", "trust", "bundle"},
		"smtp":                     {"mime", "internal/cms", "trust", "bundle", "sta", "internal/admit", "internal/login"},
		"httpedge":                 {"mime", "internal/cms", "trust", "bundle", "sta", "internal/admit"},
		"pickup":                   {"mime", "internal/cms", "trust", "bundle", "sta", "internal/admit", "internal/login"},
		"internal/audit":           {},
		"internal/steady":          {},
		"store":                    {"mime", "internal/audit"},
		"internal/config":          {"mime"},
		"internal/keyfile":         {"mime"},
		"internal/testca":          {"mime", "internal/keyfile"},
		"internal/password":        {},
		"internal/login":           {"mime"},
		"internal/gateway/task":    {},
		"internal/gateway/proof":   {"mime", "store", "internal/audit"},
		"internal/gateway/mailbox": {"internal/gateway/proof", "mime", "internal/cms", "trust", "bundle", "sta", "smtp", "pickup", "httpedge", "store", "internal/audit", "internal/admit", "internal/login"},
		"internal/gateway/care":    {"internal/gateway/proof", "internal/gateway/mailbox", "internal/gateway/task", "internal/steady", "mime", "internal/cms", "trust", "bundle", "sta", "smtp", "pickup", "httpedge", "store", "internal/audit", "internal/admit", "internal/login"},
		"internal/gateway":         {"mime", "internal/cms", "trust", "bundle", "sta", "smtp", "pickup", "httpedge", "store", "internal/audit", "internal/steady", "internal/admit", "internal/login", "internal/guard", "internal/fetch", "internal/webhook", "internal/config", "internal/password", "internal/publish", "internal/metrics", "internal/tlscert"},
		"internal/control":         {"mime", "internal/cms", "trust", "bundle", "sta", "smtp", "pickup", "httpedge", "store", "internal/audit", "internal/steady", "internal/admit", "internal/login", "internal/guard", "internal/fetch", "internal/webhook", "internal/config", "internal/password", "internal/publish", "internal/metrics", "internal/tlscert", "internal/gateway", "internal/keyfile", "internal/testca"},
		"internal/demo":            {"mime", "internal/cms", "trust", "bundle", "sta", "smtp", "pickup", "httpedge", "store", "internal/audit", "internal/steady", "internal/admit", "internal/login", "internal/guard", "internal/fetch", "internal/webhook", "internal/config", "internal/password", "internal/publish", "internal/metrics", "internal/tlscert", "internal/gateway", "internal/keyfile", "internal/testca", "internal/control"},
		"internal/interop":         {}, // tests alone
		"internal/testnet":         {"mime", "internal/cms", "trust", "bundle", "internal/login"},
		"internal/testnet/spawn":   {},
		"internal/testnet/effort":  {},
		"internal/publish":         {"mime", "internal/cms", "trust", "bundle", "internal/guard", "internal/fetch"},
		"internal/publish/named":   {"mime", "internal/cms", "trust", "bundle", "internal/guard", "internal/fetch", "internal/publish", "internal/admit"},
		"internal/publish/ldapd":   {"mime", "internal/cms", "trust", "bundle", "internal/guard", "internal/fetch", "internal/publish", "internal/admit"},
		"internal/metrics":         {},
		"internal/tlscert":         {},
		"internal/admit":           {},
		"internal/guard":           {},
		"internal/fetch":           {"internal/guard"},
		"internal/webhook":         {},
		"trust/evidence":           {"mime", "internal/cms", "bundle", "trust", "internal/guard", "internal/fetch"},
		"internal/kit":             {}, // tests alone
	}
	for _, p := range list(t) {
		if p.ImportPath == "" || below(p.ImportPath, "cmd") || below(p.ImportPath, "bench") || below(p.ImportPath, "chaos") {
			continue // the top may use everything
		}
		own, allowed := floorOf(p.ImportPath, floors)
		if own == "" {
			t.Errorf("%s has no place in the house: give it one here", p.ImportPath)
			continue
		}
		for _, dep := range p.Deps {
			if !strings.HasPrefix(dep, "postern/") {
				continue
			}
			d := room(dep)
			if !below(d, own) && !below(d, "trust/reason") && !slices.ContainsFunc(allowed, func(r string) bool { return below(d, r) }) {
				t.Errorf("%s reaches %s, which is not below it", p.ImportPath, d)
			}
		}
	}
}

// floorOf finds the innermost room of a package.
func floorOf(pkg string, floors map[string][]string) (string, []string) {
	for r := pkg; r != "."; r = path.Dir(r) {
		allowed, ok := floors[r]
		if ok {
			return r, allowed
		}
	}
	return "", nil
}

// TestOneImporterEach keeps every large dependency behind one door, so that it
// can be replaced there. A door is for its own package, not for what is below.
func TestOneImporterEach(t *testing.T) {
	doors := map[string][]string{
		"github.com/emersion/go-smtp":    {"smtp"},
		"github.com/emersion/go-imap/v2": {"pickup"},
		"github.com/emersion/go-message": {"mime"},
		"mime":                           {"mime"},
		"github.com/go-ldap/ldap/v3":     {"trust/discovery"},
		"github.com/miekg/dns":           {"trust/discovery", "internal/publish", "internal/publish/named"},
		"github.com/go-asn1-ber":         {"trust/discovery", "internal/publish/ldapd"},
		"github.com/prometheus":          {"internal/metrics"},
		"go.etcd.io/bbolt":               {"store"},
		"github.com/xdg-go":              {"internal/login"},
		"go.mozilla.org/pkcs7":           {"internal/cms"},
		"golang.org/x/crypto/acme":       {"internal/tlscert"},
	}
	forTests := map[string][]string{
		"github.com/go-ldap/ldap/v3": {"internal/publish/ldapd"}, // the client of its server
	}
	check := func(pkg string, imports []string, doors ...map[string][]string) {
		for _, imported := range imports {
			for library := range doors[0] {
				may := func(d map[string][]string) bool { return slices.Contains(d[library], pkg) }
				if below(imported, library) && !slices.ContainsFunc(doors, may) {
					t.Errorf("%s imports %s, which only %v may", pkg, imported, doors[0][library])
				}
			}
		}
	}
	for _, p := range list(t) {
		check(p.ImportPath, p.Imports, doors)
		check(p.ImportPath, slices.Concat(p.TestImports, p.XTestImports), doors, forTests)
	}
}

// TestTestHelpStaysInTests keeps test help and throwaway keys out of the binary.
func TestTestHelpStaysInTests(t *testing.T) {
	isHelp := func(pkg string) bool { return below(pkg, "internal/testnet") || below(pkg, "store/storetest") }
	for _, p := range list(t) {
		if isHelp(p.ImportPath) || below(p.ImportPath, "chaos") || below(p.ImportPath, "bench") {
			continue // all of it is a test
		}
		for _, dep := range p.Deps {
			if strings.HasPrefix(dep, "postern/") && isHelp(room(dep)) {
				t.Errorf("%s reaches %s outside of its tests", p.ImportPath, room(dep))
			}
		}
	}
}
