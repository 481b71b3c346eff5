package interop

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// TestInteropDirectories has slapd refuse, refer, know nothing and divide what
// it knows (CD-23 to CD-31). Where it has nothing for us the next directory has
// the certificate.
func TestInteropDirectories(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	holding := func(suffix string, mails ...string) testnet.Context {
		c := testnet.Context{Suffix: suffix}
		for _, mail := range mails {
			c.Entries = append(c.Entries, testnet.Entry{Mail: mail, Certificates: testnet.Certs(root.Leaf(mail, quick()))})
		}
		return c
	}
	next := testnet.SlapdOf(t, nil, holding("o=next", "bob@empty.example", "bob@closed.example", "bob@bare.example"))
	hidden := testnet.SlapdOf(t, nil, holding("o=hidden", "bob@continued.example", "bob@above.example"))
	continued := holding("o=continued")
	continued.LDIF = fmt.Sprintf("dn: ou=more,o=continued\nobjectClass: referral\nobjectClass: extensibleObject\nou: more\nref: ldap://%s/o=hidden??sub\n\n", hidden)
	askings := []struct {
		asking
		servers []string // in the order of priority
	}{
		{asking{"a server that takes no anonymous bind", "bob@unbound.example", nil, "ok", 1, 0, []string{"ldap-address found"}},
			[]string{testnet.SlapdOf(t, []string{"disallow bind_anon"}, holding("o=unbound", "bob@unbound.example"))}},
		{asking{"a server that tells strangers nothing", "bob@closed.example", nil, "ok", 1, 0, []string{"ldap-address refused", "ldap-address found"}},
			[]string{testnet.SlapdOf(t, []string{"require authc"}, holding("o=closed")), next}},
		{asking{"a server without the entry", "bob@empty.example", nil, "ok", 1, 0, []string{"ldap-address no-entry", "ldap-address found"}},
			[]string{testnet.SlapdOf(t, nil, holding("o=empty")), next}},
		{asking{"a server without anything", "bob@bare.example", nil, "ok", 1, 0, []string{"ldap-address found"}},
			[]string{testnet.SlapdOf(t, nil), next}},
		{asking{"two naming contexts", "bob@second.example", nil, "ok", 1, 0, []string{"ldap-address found"}},
			[]string{testnet.SlapdOf(t, nil, holding("o=first"), holding("o=second", "bob@second.example"))}},
		{asking{"a reference is not followed", "bob@continued.example", nil, "no-certificate", 0, 1, []string{"ldap-address no-entry"}},
			[]string{testnet.SlapdOf(t, nil, continued)}},
		{asking{"a referral is not followed", "bob@above.example", nil, "no-certificate", 0, 1, nil},
			[]string{testnet.SlapdOf(t, []string{"referral ldap://" + hidden})}},
	}
	zones := make(map[string][]string)
	for _, c := range askings {
		domain := address(t, c.address).Domain().String()
		for i, server := range c.servers {
			zones[domain] = append(zones[domain], fmt.Sprintf("_ldap._tcp IN SRV %d 0 %s ns", i, portOf(t, server)))
		}
	}
	s := newSite(t, "a.example", setup{dns: testnet.BIND(t, zones), anchors: []*testnet.Identity{root}})
	s.serve()
	for _, c := range askings {
		t.Run(c.name, func(t *testing.T) { s.checkAsking(t, c.asking) })
	}
	s.alive()
}

// TestInteropInjection looks addresses up that would be wider questions if they
// were not escaped (RFC 4515 §3, RFC 1035 §5.1): a directory and a zone full of
// other people's certificates give none.
func TestInteropInjection(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	victim := root.Leaf("bob@inject.example", quick())
	slapd := testnet.Slapd(t, "o=inject", []testnet.Entry{{Mail: "bob@inject.example", Certificates: testnet.Certs(victim)}})
	s := newSite(t, "a.example", setup{anchors: []*testnet.Identity{root}, dns: testnet.BIND(t, map[string][]string{
		"inject.example": {srv(t, slapd), testnet.ZoneCERT("bob.deep", victim.Cert)},
	})})
	s.checkAsking(t, asking{address: "bob@inject.example", verdict: "ok", certificates: 1})
	asked := 0
	for _, local := range []string{
		"*", "b*", "*)(mail=*", "bob@inject.example)(cn=*", "x)(|(mail=*", `\2a`, `bob\00`, `b\6fb`, "bob)", "(bob", `bob\.deep`, "bob.deep\u3002x",
	} {
		for _, address := range []string{local + "@inject.example", strconv.Quote(local) + "@inject.example"} {
			e := s.run("", "--json", "lookup", address)
			if e.code == 1 {
				asked++
			}
			if e.code == 0 || strings.Contains(e.stdout, fingerprint(victim)) {
				t.Errorf("%q: exit code %d\n%s", address, e.code, e.stdout)
			}
		}
	}
	if asked < 5 {
		t.Errorf("only %d of the addresses were asked for", asked)
	}
}
