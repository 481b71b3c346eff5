package interop

import (
	"fmt"
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
		{asking{"a server that tells strangers nothing", "bob@closed.example", nil, "ok", 1, 0, []string{"ldap-address found", "ldap-address found"}},
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
