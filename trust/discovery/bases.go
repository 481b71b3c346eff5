package discovery

import (
	"cmp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// basesOf reads from a root DSE where to search for mail (CD-27): first the naming
// contexts that are of its domain, then the others, and no more than ldapBases. A
// directory of many domains has a naming context for each (RFC 2247).
func basesOf(root *ldap.SearchResult, mail string) []string {
	if root == nil || len(root.Entries) == 0 {
		return nil
	}
	domain := mail[strings.LastIndexByte(mail, '@')+1:]
	for _, attribute := range []string{"namingContexts", "defaultNamingContext"} {
		all := slices.Clone(root.Entries[0].GetEqualFoldAttributeValues(attribute))
		all = slices.DeleteFunc(all, func(base string) bool { return len(base) > ldapName })
		if len(all) > 0 {
			slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(labelsShared(b, domain), labelsShared(a, domain)) })
			return all[:min(len(all), ldapBases)]
		}
	}
	return nil
}

// labelsShared returns how many labels of a domain a naming context is for: all of
// those that it has as dc, if it is the domain or one above it, or else none.
func labelsShared(base, domain string) int {
	dn, err := ldap.ParseDN(base)
	if err != nil {
		return 0
	}
	var labels []string
	for _, rdn := range dn.RDNs {
		for _, a := range rdn.Attributes {
			if strings.EqualFold(a.Type, "dc") {
				labels = append(labels, strings.ToLower(a.Value))
			}
		}
	}
	name := strings.Join(labels, ".")
	if name == "" || name != domain && !strings.HasSuffix(domain, "."+name) {
		return 0
	}
	return len(labels)
}
