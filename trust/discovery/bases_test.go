package discovery

import (
	"fmt"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// CD-27: a directory of a HISP with many domains is searched where the recipient's
// domain is.
func TestCD27_ContextsOfTheDomainComeFirst(t *testing.T) {
	many := []string{"o=first"}
	for i := range 30 {
		many = append(many, fmt.Sprintf("dc=d%d,dc=example", i))
	}
	many = append(many, "dc=example", "DC=B, DC=Example", "ou=people,dc=b,dc=example", "dc=xb,dc=example", "not a name", "dc=b\\2c,dc=example")
	for mail, want := range map[string][]string{
		"bob@b.example":     {"DC=B, DC=Example", "ou=people,dc=b,dc=example", "dc=example", "o=first"},
		"b.example":         {"DC=B, DC=Example", "ou=people,dc=b,dc=example", "dc=example", "o=first"},
		"x@sub.b.example":   {"DC=B, DC=Example", "ou=people,dc=b,dc=example", "dc=example", "o=first"},
		"bob@d17.example":   {"dc=d17,dc=example", "dc=example", "o=first"},
		"bob@elsewhere.org": {"o=first", "dc=d0,dc=example"},
	} {
		root := &ldap.SearchResult{Entries: []*ldap.Entry{ldap.NewEntry("", map[string][]string{"namingcontexts": many})}}
		got := basesOf(root, mail)
		if len(got) != ldapBases {
			t.Errorf("%s: %d bases", mail, len(got))
		}
		if diff := cmp.Diff(want, got[:len(want)]); diff != "" {
			t.Errorf("%s: %s", mail, diff)
		}
	}
}
