package named

import (
	"fmt"

	"github.com/miekg/dns"

	"postern/internal/publish"
)

// An index finds records by name. It never changes once made.
type index struct {
	names map[string]*node // by canonical name
	apex  map[string]bool  // of the zones there are
}

// A node is one name. A name above others that has no records exists, too: an
// empty non-terminal (RFC 4592 §2.2.2).
type node struct{ records []dns.RR }

// newIndex makes the index of some records, each of which must lie in a zone that
// an SOA among them begins.
func newIndex(records []dns.RR) (*index, error) {
	x := &index{names: make(map[string]*node, len(records)), apex: make(map[string]bool)}
	for _, rr := range records {
		if rr.Header().Rrtype == dns.TypeSOA {
			x.apex[canonical(rr.Header().Name)] = true
		}
	}
	for apex := range x.apex {
		x.exist(parent(apex))
	}
	for _, rr := range records {
		name := canonical(rr.Header().Name)
		if x.zoneOf(name) == "" {
			return nil, fmt.Errorf("the record of %s is in none of the zones", name)
		}
		x.exist(name)
		x.names[name].records = append(x.names[name].records, rr)
	}
	return x, nil
}

// indexOf makes the index of what DNS says of a set, and tells what it cannot say.
func indexOf(s *publish.Set) (*index, []publish.Problem, error) {
	var records []dns.RR
	var problems []publish.Problem
	for _, z := range s.Zones() {
		records = append(records, z.Records...)
		problems = append(problems, z.Problems...)
	}
	x, err := newIndex(records)
	return x, problems, err
}

// exist makes the nodes of a name and of those above it in its zone. It matters
// for names above another zone, too: were they denied, so would be all that is
// below them (RFC 8020 §2).
func (x *index) exist(name string) {
	apex := x.zoneOf(name)
	for at := name; apex != "" && x.names[at] == nil; at = parent(at) {
		x.names[at] = new(node)
		if at == apex {
			break
		}
	}
}

// zoneOf returns the apex of the innermost zone that name is in, or "".
func (x *index) zoneOf(name string) string {
	for at := name; at != "."; at = parent(at) {
		if x.apex[at] {
			return at
		}
	}
	return ""
}

// lookup returns the records of a type at a canonical name. For ANY these are the
// records of one type, whichever comes first (RFC 8482 §4.1). There are no aliases.
func (x *index) lookup(name string, qtype uint16) []dns.RR {
	at := x.names[name]
	if at == nil || len(at.records) == 0 {
		return nil
	}
	if qtype == dns.TypeANY {
		qtype = at.records[0].Header().Rrtype
	}
	var found []dns.RR
	for _, rr := range at.records {
		if rr.Header().Rrtype == qtype {
			found = append(found, rr)
		}
	}
	return found
}

// absence returns the SOA of an answer that says that something is not there. Its
// TTL is how long that may be remembered (RFC 2308 §3).
func (x *index) absence(apex string) []dns.RR {
	for _, rr := range x.lookup(apex, dns.TypeSOA) {
		soa, ok := rr.(*dns.SOA)
		if ok {
			negative := *soa
			negative.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
			return []dns.RR{&negative}
		}
	}
	return nil
}

// canonical returns the name in lower case and with the escapes that a name
// from the wire has, so that "o'brien" is one name however it is written.
func canonical(name string) string {
	var buf [256]byte
	_, err := dns.PackDomainName(dns.Fqdn(name), buf[:], 0, nil, false)
	if err != nil {
		return dns.CanonicalName(name) // no question can name it
	}
	read, _, err := dns.UnpackDomainName(buf[:], 0)
	if err != nil {
		return dns.CanonicalName(name)
	}
	return dns.CanonicalName(read)
}

func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}
