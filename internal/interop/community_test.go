package interop

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

const typeBundle = "application/x-pkcs7-certificates"

// A community has bundles on a web server of HTTPS, and a member: b.example.
type community struct {
	t            *testing.T
	pki          *testnet.PKI
	anchor, next *testnet.Identity // the member is under anchor
	web          *testnet.Web
	zones        map[string][]string
	network      string // lines of [network] for those who believe the web server
	webRoot      *testnet.Identity
}

func newCommunity(t *testing.T) *community {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	c := &community{t: t, pki: pki, anchor: pki.Root("member's authority"), next: pki.Root("another authority"), webRoot: pki.Root("web authority")}
	c.web = testnet.NewTLSWeb(t, c.webRoot.Leaf("bundles.example", quick(), testnet.ForTLS()))
	ca := writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(testnet.PEM(c.webRoot.Cert)))
	c.network = fmt.Sprintf("ca = %q\n", ca)
	c.zones = map[string][]string{
		"bundles.example": {"@ IN A 127.0.0.1"},
		"b.example":       mx(testnet.ZoneCERT("@", c.anchor.Leaf("b.example", quick()).Cert)),
	}
	return c
}

// put publishes a bundle of authorities.
func (c *community) put(path string, ids ...*testnet.Identity) string {
	c.t.Helper()
	c.web.Put(path, typeBundle, testnet.CertsOnly(c.t, testnet.Certs(ids...)...))
	return c.web.URL + path
}

// reader makes a site that has no anchor of its own.
func (c *community) reader(relayPort string) *site {
	c.t.Helper()
	return newSite(c.t, "a.example", setup{
		dns: testnet.BIND(c.t, c.zones), relayPort: relayPort, users: []string{"alice@a.example"},
		keys: []*testnet.Identity{c.pki.Root("own").Leaf("a.example")}, more: map[string]string{"network": c.network},
	})
}

// refresh runs postern bundle refresh.
func (s *site) refresh(t testing.TB, names ...string) ([]control.BundleRefresh, int) {
	t.Helper()
	e := s.run("", append([]string{"--json", "bundle", "refresh"}, names...)...)
	var all []control.BundleRefresh
	err := json.Unmarshal([]byte(e.stdout), &all)
	if err != nil {
		t.Fatalf("bundle refresh: exit code %d: %v\n%s%s", e.code, err, e.stdout, e.stderr)
	}
	return all, e.code
}

// bundles runs postern bundle list.
func (s *site) bundles(t testing.TB) map[string]control.BundleInfo {
	t.Helper()
	var all []control.BundleInfo
	text := s.must("", "--json", "bundle", "list")
	err := json.Unmarshal([]byte(text), &all)
	if err != nil {
		t.Fatalf("bundle list: %v\n%s", err, text)
	}
	byName := make(map[string]control.BundleInfo)
	for _, b := range all {
		byName[b.Name] = b
	}
	return byName
}

// send submits a message to the member and returns what became of it.
func (s *site) send(t testing.TB, id string) store.TrackRecipient {
	t.Helper()
	err := s.submit("alice@a.example", "bob@b.example", record("alice@a.example", "bob@b.example", id, 100))
	if err != nil {
		t.Fatal(err)
	}
	return s.waitTrack(id, time.Minute, func(l control.Life) bool {
		return relayed(l) || l.Recipients[0].State == store.TrackFailed
	}).Recipients[0]
}
