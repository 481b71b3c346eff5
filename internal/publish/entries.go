package publish

import (
	"bytes"
	"slices"
	"strings"

	"postern/mime"
)

// An Entry is one entry of the directory, the same in the LDAP server and in
// LDIF.
type Entry struct {
	Domain     mime.Domain // whose part of the directory it is in
	DN         string      // RFC 4514
	Attributes []Attribute
}

// An Attribute of an Entry has at least one value, and no value twice.
type Attribute struct {
	Name   string // "userCertificate;binary" (RFC 4523 §2.1)
	Values [][]byte
}

// Entries returns the directory of a set. Each domain has the entry that is its
// suffix, followed by an inetOrgPerson (RFC 2798) for the domain and for each
// address that has certificates (CD-29, CD-32). Addresses that differ in case
// alone are one (AS-4).
func (s *Set) Entries() []Entry {
	owned := make(map[mime.Domain][]Certificate, len(s.Domains))
	for _, c := range s.Certificates {
		owned[c.Domain] = append(owned[c.Domain], c)
	}
	var all []Entry
	for _, d := range s.Domains {
		all = append(all, suffixEntry(d))
		all = append(all, personEntries(d, owned[d])...)
	}
	return all
}

// SuffixOf returns the DN of a domain's part of the directory, such as
// "dc=b,dc=example" (RFC 2247 §2).
func SuffixOf(d mime.Domain) string {
	return "dc=" + strings.ReplaceAll(string(d), ".", ",dc=")
}

// EntryDN returns the DN of the entry with the certificates of mail, which is an
// address or the domain itself.
func EntryDN(mail string, d mime.Domain) string {
	return "mail=" + escapeValue(mail) + "," + SuffixOf(d)
}

// escapeValue writes an attribute value into a DN (RFC 4514 §2.4). An address is
// printable ASCII.
func escapeValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if strings.IndexByte(`"+,;<>\`, c) >= 0 || c == '#' && i == 0 || c == ' ' && (i == 0 || i == len(s)-1) {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

// suffixEntry is a domain of RFC 4524 §3.4.
func suffixEntry(d mime.Domain) Entry {
	label, _, _ := strings.Cut(string(d), ".")
	return Entry{Domain: d, DN: SuffixOf(d), Attributes: []Attribute{
		texts("objectClass", "top", "domain"),
		texts("dc", label),
	}}
}

// personEntries makes the entries of a domain's certificates, in their order.
func personEntries(d mime.Domain, certificates []Certificate) []Entry {
	var all []Entry
	place := make(map[string]int)
	for _, c := range certificates {
		mail := string(d)
		if !c.Address.IsZero() {
			mail = c.Address.String()
		}
		key := strings.ToLower(mail)
		at, known := place[key]
		if !known {
			at, place[key] = len(all), len(all)
			all = append(all, personEntry(mail, d))
		}
		all[at].addCertificate(c.Certificate.Raw)
	}
	return all
}

func personEntry(mail string, d mime.Domain) Entry {
	return Entry{Domain: d, DN: EntryDN(mail, d), Attributes: []Attribute{
		texts("objectClass", "top", "person", "organizationalPerson", "inetOrgPerson"),
		texts("cn", mail),
		texts("sn", mail),
		texts("mail", mail),
		{Name: "userCertificate;binary"},
	}}
}

// addCertificate adds to the last attribute, unless it is there.
func (e *Entry) addCertificate(der []byte) {
	a := &e.Attributes[len(e.Attributes)-1]
	if !slices.ContainsFunc(a.Values, func(v []byte) bool { return bytes.Equal(v, der) }) {
		a.Values = append(a.Values, der)
	}
}

func texts(name string, values ...string) Attribute {
	a := Attribute{Name: name}
	for _, v := range values {
		a.Values = append(a.Values, []byte(v))
	}
	return a
}
