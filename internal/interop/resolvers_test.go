package interop

import (
	"testing"
	"time"

	"postern/internal/testnet"
)

// TestInteropAuthoritativeFallback has resolvers that refuse CERT, fail over it
// or do not know it; the certificate is found at the domain's own servers
// (CD-8, CP-12).
func TestInteropAuthoritativeFallback(t *testing.T) {
	t.Parallel()
	const notImplemented = 4
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	for name, code := range map[string]byte{"REFUSED": testnet.Refused, "SERVFAIL": testnet.ServFail, "NOTIMP": notImplemented} {
		t.Run(name, func(t *testing.T) {
			bind := testnet.BIND(t, map[string][]string{
				"b.example": {testnet.ZoneCERT("bob", root.Leaf("bob@b.example", large()).Cert)},
				"c.example": {testnet.ZoneCERT("@", root.Leaf("c.example", quick()).Cert)},
			})
			resolver := testnet.NewForwarder(t, bind)
			resolver.Answer(testnet.TypeCERT, code)
			s := newSite(t, "a.example", setup{
				dns: resolver.Addr, anchors: []*testnet.Identity{root}, more: map[string]string{"dns": "port = " + portOf(t, bind) + "\n"},
			})
			s.checkAsking(t, asking{address: "bob@b.example", verdict: "ok", certificates: 1, told: []string{"dns-address found"}})
			s.checkAsking(t, asking{address: "bob@c.example", verdict: "ok", certificates: 1, told: []string{"dns-address no-such-name", "dns-domain found"}})
			s.checkAsking(t, asking{address: "nobody@b.example", verdict: "no-certificate", code: 1, told: []string{"dns-address no-such-name", "dns-domain no-such-record"}})
		})
	}
}

// TestInteropWarmLookup looks the same addresses up again: nobody is asked, of
// what is there and of what is not, until somebody wants to know anew.
func TestInteropWarmLookup(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	slapd := testnet.Slapd(t, "o=interop", []testnet.Entry{
		{Mail: "bob@directory.example", Certificates: testnet.Certs(root.Leaf("bob@directory.example", quick()))},
	})
	resolver := testnet.NewForwarder(t, testnet.BIND(t, map[string][]string{
		"dns.example":       {testnet.ZoneCERT("bob", root.Leaf("bob@dns.example", quick()).Cert)},
		"directory.example": {srv(t, slapd)},
		"none.example":      {},
	}))
	s := newSite(t, "a.example", setup{dns: resolver.Addr, anchors: []*testnet.Identity{root}})
	s.serve()
	for _, c := range []struct{ address, verdict string }{
		{"bob@dns.example", "ok"}, {"bob@directory.example", "ok"}, {"bob@none.example", "no-certificate"},
	} {
		cold, _ := s.lookup(t, c.address)
		before := resolver.Asked()
		warm, _ := s.lookup(t, c.address)
		if cold.Verdict != c.verdict || cold.Questions == 0 || before == 0 {
			t.Errorf("%s cold: %s after %d questions", c.address, cold.Verdict, cold.Questions)
		}
		if warm.Verdict != c.verdict || !warm.Cached || warm.Questions != 0 || resolver.Asked() != before {
			t.Errorf("%s warm: %s, cached %v, %d questions by its own count and %d by the resolver's", c.address, warm.Verdict, warm.Cached, warm.Questions, resolver.Asked()-before)
		}
		fresh, _ := s.lookup(t, c.address, "--fresh")
		if fresh.Verdict != c.verdict || fresh.Questions == 0 || resolver.Asked() == before || fresh.Cached {
			t.Errorf("%s fresh: %s after %d questions, cached %v", c.address, fresh.Verdict, fresh.Questions, fresh.Cached)
		}
	}
	s.alive()
}

// TestInteropCacheSurvivesRestart starts a gateway again: what it had found is
// not asked for anew while it lasts, what it had not found is.
func TestInteropCacheSurvivesRestart(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	slapd := testnet.Slapd(t, "o=interop", []testnet.Entry{
		{Mail: "bob@directory.example", Certificates: testnet.Certs(root.Leaf("bob@directory.example", quick()))},
	})
	bind := testnet.DeadPort(t)
	zones := map[string][]string{
		"dns.example":       {testnet.ZoneCERT("bob", root.Leaf("bob@dns.example", quick()).Cert)},
		"directory.example": {srv(t, slapd)},
		"late.example":      {},
	}
	testnet.BINDAt(t, bind, zones)
	resolver := testnet.NewForwarder(t, bind)
	s := newSite(t, "a.example", setup{dns: resolver.Addr, anchors: []*testnet.Identity{root}})
	s.serve()
	for _, address := range []string{"bob@dns.example", "bob@directory.example", "bob@late.example"} {
		s.lookup(t, address)
	}
	s.stop()
	s.serve()
	before := resolver.Asked()
	for _, c := range []struct {
		address, source string
		questions       int // what is not in DNS is asked for again
	}{{"bob@dns.example", "dns-address", 0}, {"bob@directory.example", "ldap-address", 3}} {
		got, code := s.lookup(t, c.address)
		asked := resolver.Asked() - before
		before += asked
		if code != 0 || !got.Cached || got.Certificates[0].Source != c.source || asked != c.questions {
			t.Errorf("%s: exit code %d, cached %v, %d questions: %s; %+v", c.address, code, got.Cached, asked, got.Verdict, got.Steps)
		}
	}
	got, _ := s.lookup(t, "bob@late.example")
	if got.Cached || got.Questions == 0 {
		t.Errorf("what was not there is believed for longer than the process: %+v", got.Steps)
	}
	s.alive()
}
