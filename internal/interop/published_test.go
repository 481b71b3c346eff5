package interop

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
)

// TestInteropPublishedCrossing sends a record and its notification between two
// gateways with nothing else around: each is the name server of its own domain.
func TestInteropPublishedCrossing(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	anchors := []*testnet.Identity{root}
	a := newPublishing(t, "a.example", setup{users: []string{"alice@a.example"}, keys: []*testnet.Identity{root.Leaf("a.example")}, anchors: anchors})
	b := newPublishing(t, "b.example", setup{users: []string{"bob@b.example"}, keys: []*testnet.Identity{root.Leaf("bob@b.example")}, anchors: anchors})
	a.configure(b.dns, portOf(t, b.backbone))
	b.configure(a.dns, portOf(t, a.backbone))
	a.serve()
	b.serve()
	const id = "<published@a.example>"
	message := record("alice@a.example", "bob@b.example", id, 1000)
	err := a.submit("alice@a.example", "bob@b.example", message)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.inbox("bob@b.example", 1); got[0] != message {
		t.Error("what came is not what was sent")
	}
	a.waitTrack(id, time.Minute, processed)
	a.alive()
	b.alive()
}

// TestInteropPublishedIsFound looks certificates up that a site publishes: by
// its own servers, by BIND with its zone file in both forms, and by slapd with
// its LDIF.
func TestInteropPublishedIsFound(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	zones := func(flags ...string) string {
		all := make(map[string][]string)
		for _, domain := range []string{"h.example", "whole.example"} {
			all[domain] = []string{h.must("", append([]string{"publish", "zone", domain}, flags...)...)}
		}
		return testnet.BIND(t, all)
	}
	ldif := func(domain string) testnet.Context {
		return testnet.Context{Suffix: "dc=" + strings.ReplaceAll(domain, ".", ",dc="), Whole: h.must("", "publish", "ldif", domain)}
	}
	pointing := func(directory string) string {
		return testnet.BIND(t, map[string][]string{"h.example": {srv(t, directory)}, "whole.example": {srv(t, directory)}})
	}
	for _, c := range []struct{ name, dns, kind string }{
		{"own name server", h.dns, "dns"},
		{"own directory", pointing(h.ldap), "ldap"},
		{"zone in BIND", zones(), "dns"},
		{"zone in BIND as unknown types", zones("--rfc3597"), "dns"},
		{"LDIF in slapd", pointing(testnet.SlapdOf(t, nil, ldif("h.example"), ldif("whole.example"))), "ldap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, "a.example", setup{dns: c.dns, anchors: []*testnet.Identity{h.root}})
			for _, want := range []struct {
				address, source string
				id              *testnet.Identity
			}{{"bob@h.example", "-address", h.address}, {"anybody@whole.example", "-domain", h.domain}} {
				got, code := s.lookup(t, want.address)
				if code != 0 || len(got.Certificates) != 1 || got.Certificates[0].Source != c.kind+want.source || got.Certificates[0].SHA256 != fingerprint(want.id) {
					t.Errorf("%s: exit code %d, %s %s; %+v", want.address, code, got.Verdict, got.Detail, got.Certificates)
				}
			}
		})
	}
}

// TestInteropPublishCheck has a site look at itself through BIND: when all is
// there, when a certificate is missing, when one is left that was retired, when
// nothing is there, and when nobody answers.
func TestInteropPublishCheck(t *testing.T) {
	t.Parallel()
	h := newHosted(t)
	zones := make(map[string][]string)
	for _, domain := range []string{"h.example", "whole.example"} {
		zones[domain] = []string{h.must("", "publish", "zone", domain)}
	}
	check := func(when, dns string, code int, states ...string) {
		t.Helper()
		h.stop()
		h.more["dns"] = "port = " + portOf(t, dns) + "\n" // the name servers are asked themselves
		h.configure(dns, portOf(t, testnet.DeadPort(t)))
		h.serve()
		e := h.run("", "--json", "publish", "check")
		var report control.PublishReport
		err := json.Unmarshal([]byte(e.stdout), &report)
		if err != nil {
			t.Fatalf("%s: exit code %d: %v\n%s%s", when, e.code, err, e.stdout, e.stderr)
		}
		found := make(map[string]bool)
		for _, f := range report.Findings {
			found[f.What+" "+f.State] = true
		}
		for _, state := range states {
			if !found[state] {
				t.Errorf("%s: there is no %q in %+v", when, state, report.Findings)
			}
		}
		if e.code != code {
			t.Errorf("%s: exit code %d, want %d; %+v", when, e.code, code, report.Findings)
		}
	}
	bind := testnet.BIND(t, zones)
	check("all is there", bind, 0)
	h.importKey("later.p12", h.later)
	check("a certificate is missing", bind, 1, "certificate missing")
	h.must("", "cert", "retire", fingerprint(h.address))
	check("a retired one is left", bind, 1, "certificate missing", "certificate stale")
	check("nothing is there", testnet.BIND(t, map[string][]string{"h.example": {}, "whole.example": {}}), 1, "mail missing", "certificate missing")
	check("nobody answers", testnet.DeadPort(t), 3)
}
