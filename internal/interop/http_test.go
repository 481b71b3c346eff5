package interop

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// A side is a site as the generated client of the HTTP edge is told of it.
type side struct{ URL, Token, Address string }

// httpPair is two sites with the HTTP edge, each with a token for its user.
func httpPair(t *testing.T) (a, b *site, from, to side) {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	rootA, rootB := pki.Root("root of a"), pki.Root("root of b")
	leafA, leafB := rootA.Leaf("a.example"), rootB.Leaf("b.example")
	bind := testnet.BIND(t, map[string][]string{
		"a.example": mx(testnet.ZoneCERT("@", leafA.Cert)),
		"b.example": mx(testnet.ZoneCERT("@", leafB.Cert)),
	})
	https := map[string]string{"listen": "https = \"127.0.0.1:0\"\n"}
	a = newSite(t, "a.example", setup{dns: bind, users: []string{"alice@a.example"}, keys: []*testnet.Identity{leafA}, anchors: []*testnet.Identity{rootB}, listeners: 1, more: https})
	b = newSite(t, "b.example", setup{dns: bind, relayPort: portOf(t, a.backbone), users: []string{"bob@b.example"}, keys: []*testnet.Identity{leafB}, anchors: []*testnet.Identity{rootA}, listeners: 1, more: https})
	a.relayPort = portOf(t, b.backbone)
	a.configure(bind, a.relayPort)
	b.serve()
	a.serve()
	return a, b, a.httpSide("alice@a.example"), b.httpSide("bob@b.example")
}

func (s *site) httpSide(user string) side {
	s.t.Helper()
	token := s.must("", "access", "add", user, "--name", "an app", "--token", "--scope", "send,read,lookup,hooks")
	return side{"https://" + s.hostname() + ":" + portOf(s.t, s.address("https")), strings.TrimSpace(token), user}
}

// A client that is generated from the OpenAPI document sends a message with attachments
// from one gateway to another, finds it there byte for byte, and follows it to its end;
// a public validator looks at each exchange.
func TestInteropHTTP_GeneratedClient(t *testing.T) {
	program := testnet.Require(t, "go")
	a, b, from, to := httpPair(t)
	both := a.write("both.pem", string(readFile(t, a.tlsCert()))+string(readFile(t, b.tlsCert())))
	config, err := json.Marshal(map[string]any{"CA": both, "From": from, "To": to})
	if err != nil {
		t.Fatal(err)
	}
	module, err := filepath.Abs("../../httpedge")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-C", filepath.Join(module, "testdata", "client"), "run", ".", "roundtrip", filepath.Join(module, "openapi.json"))
	cmd.Stdin = strings.NewReader(string(config))
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "dial tcp: lookup") && os.Getenv("CI") == "" {
		t.Skipf("what the client needs cannot be fetched: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "exchanges were as the document says") {
		t.Fatalf("%v\n%s\n%s\n%s", err, out, tail(a.text()), tail(b.text()))
	}
	for _, s := range []*site{a, b} {
		s.alive()
		log := s.text()
		for _, secret := range []string{from.Token, to.Token, "Entla", "record.xml"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log of %s has %s", s.domain, secret)
			}
		}
		trail := s.must("", "audit", "show", "--json")
		for _, deed := range []string{"over HTTPS from 127.0.0.1", `"logged-in"`} {
			if s == b && !strings.Contains(trail, deed) {
				t.Errorf("the trail of %s lacks %s", s.domain, deed)
			}
		}
		s.must("", "audit", "verify")
	}
}
