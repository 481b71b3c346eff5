package interop

import (
	"encoding/json"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
)

// lookup runs postern lookup and returns what it found and the exit code.
func (s *site) lookup(t testing.TB, address string, flags ...string) (control.LookupAnswer, int) {
	t.Helper()
	e := s.run("", append(append([]string{"--json", "lookup"}, flags...), address)...)
	var got control.LookupAnswer
	err := json.Unmarshal([]byte(e.stdout), &got)
	if err != nil {
		t.Fatalf("lookup %s: exit code %d: %v\n%s%s", address, e.code, err, e.stdout, e.stderr)
	}
	return got, e.code
}

// told are the steps of a look-up, as "source answer".
func told(a control.LookupAnswer) []string {
	all := make([]string, len(a.Steps))
	for i, s := range a.Steps {
		all[i] = s.Source + " " + s.Answer
	}
	return all
}

// An asking is a look-up with what has to come of it.
type asking struct {
	name, address string
	zone          []string // of the address's domain
	verdict       string
	certificates  int
	code          int
	told          []string // steps that must be among those told, in this order
}

// checkAsking runs one look-up.
func (s *site) checkAsking(t *testing.T, c asking) {
	t.Helper()
	got, code := s.lookup(t, c.address)
	steps := told(got)
	at := 0
	for _, step := range steps {
		if at < len(c.told) && step == c.told[at] {
			at++
		}
	}
	if got.Verdict != c.verdict || code != c.code || len(got.Certificates) != c.certificates || at != len(c.told) {
		t.Errorf("%s with %d certificates and exit code %d, want %s, %d and %d; steps %q, want %q; %s\n%+v",
			got.Verdict, len(got.Certificates), code, c.verdict, c.certificates, c.code, steps, c.told, got.Detail, got.Steps)
	}
}

// zonesOf are the zones of look-ups.
func zonesOf(t testing.TB, all []asking) map[string][]string {
	zones := make(map[string][]string)
	for _, c := range all {
		if c.zone != nil {
			zones[address(t, c.address).Domain().String()] = c.zone
		}
	}
	return zones
}

// TestInteropDNSAnswers tells apart what BIND says, and finds what is there
// among what is not (CD-3 to CD-9).
func TestInteropDNSAnswers(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	leaf := func(name string) *testnet.Identity { return root.Leaf(name, quick()) }
	web := testnet.NewWeb(t)
	web.Put("/bob.cer", testnet.TypeCert, leaf("bob@pointer.example").Cert.Raw)
	web.Put("/dead.cer", testnet.TypeCert, leaf("bob@deadpointer.example").Cert.Raw)
	web.Set("/dead.cer", testnet.Missing)
	var fifty []string
	for range 50 {
		fifty = append(fifty, testnet.ZoneCERT("bob", leaf("bob@fifty.example").Cert))
	}
	all := []asking{
		{"alias", "bob@alias.example", []string{"bob IN CNAME bob.target.example."}, "ok", 1, 0, []string{"dns-address found"}},
		{"dots and capitals", "Mary.ANN@Dotted.example", []string{testnet.ZoneCERT("mary.ann", leaf("Mary.Ann@dotted.example").Cert)}, "ok", 1, 0, []string{"dns-address found"}},
		{"alias of nothing", "bob@lost.example", []string{"bob IN CNAME nobody.target.example."}, "no-certificate", 0, 1,
			[]string{"dns-address no-such-name", "dns-domain no-such-record"}},
		{"NXDOMAIN and NODATA", "bob@none.example", []string{}, "no-certificate", 0, 1,
			[]string{"dns-address no-such-name", "dns-domain no-such-record", "ldap-address no-such-name"}},
		{"NODATA at the address", "bob@text.example", []string{"bob IN TXT text", testnet.ZoneCERT("@", leaf("text.example").Cert)}, "ok", 1, 0,
			[]string{"dns-address no-such-record", "dns-domain found"}},
		{"SERVFAIL", "bob@broken.example", []string{"this is no record"}, "discovery-timeout", 0, 3,
			[]string{"dns-address servfail", "dns-domain servfail", "ldap-address servfail"}},
		{"REFUSED", "bob@elsewhere.example", nil, "discovery-timeout", 0, 3,
			[]string{"dns-address refused", "dns-domain refused", "ldap-address refused"}},
		{"IPKIX", "bob@pointer.example", []string{testnet.ZoneIPKIX("bob", web.URL+"/bob.cer")}, "ok", 1, 0, []string{"dns-address found"}},
		{"IPKIX that is gone", "bob@deadpointer.example",
			[]string{testnet.ZoneIPKIX("bob", web.URL+"/dead.cer"), testnet.ZoneCERT("@", leaf("deadpointer.example").Cert)},
			"no-certificate", 0, 1, nil},
		{"IPKIX at a dead server", "bob@lostpointer.example",
			[]string{testnet.ZoneIPKIX("bob", "http://"+testnet.DeadPort(t)+"/bob.cer"), testnet.ZoneCERT("@", leaf("lostpointer.example").Cert)},
			"discovery-timeout", 0, 3, nil},
		{"fifty records", "bob@fifty.example", fifty, "ok", 50, 0, []string{"dns-address found"}},
		{"garbage beside good", "bob@garbage.example", []string{
			`bob IN TYPE37 \# 7 0001000000dead`, `bob IN TYPE37 \# 6 000100000030`, "bob IN CERT PGP 0 0 AAAA", testnet.ZoneCERTData("bob", []byte("no certificate")),
			testnet.ZoneCERT("bob", leaf("bob@garbage.example").Cert),
		}, "ok", 1, 0, []string{"dns-address found"}},
		{"garbage alone", "bob@rubbish.example", []string{`bob IN TYPE37 \# 7 0001000000dead`, testnet.ZoneCERT("@", leaf("rubbish.example").Cert)},
			"no-certificate", 0, 1, nil},
		{"no LDAP", "bob@dot.example", []string{"_ldap._tcp IN SRV 0 0 0 ."}, "no-certificate", 0, 1, []string{"ldap-address no-service"}},
	}
	zones := zonesOf(t, all)
	zones["target.example"] = []string{testnet.ZoneCERT("bob", leaf("bob@alias.example").Cert)}
	s := newSite(t, "a.example", setup{dns: testnet.BIND(t, zones), anchors: []*testnet.Identity{root}})
	s.serve()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) { s.checkAsking(t, c) })
	}
	s.alive()
}
