package publish

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"postern/mime"
	"postern/trust/discovery"
)

// A Zone is what DNS says of one domain of a Set (CD-10).
type Zone struct {
	Domain mime.Domain
	// Records are those of the zone's own names, the SOA first. There are none
	// if DNS cannot hold the domain.
	Records []dns.RR
	// Cuts delegate the domains of the Set that lie below this one, and give the
	// addresses of name servers there (RFC 1034 §4.2.1). A server that has those
	// zones too has no use for them.
	Cuts []dns.RR
	// Problems are what is missing from Records, and why.
	Problems []Problem
}

// Timers of the SOA, in seconds. Secondaries try again after ten minutes and go
// on for two weeks (RFC 1912 §2.2).
const (
	soaRefresh = 3600
	soaRetry   = 600
	soaExpire  = 14 * 24 * 3600
	// soaMinimum bounds how long a name is remembered as absent, so that the first
	// certificate of an address is found soon (RFC 2308 §5).
	soaMinimum = 5 * 60
)

// maxRRset bounds the certificates of one name, in octets: with less than the
// 65,535 of an answer over TCP there is room for its other parts.
const maxRRset = 60_000

// certOverhead is what a CERT record has beside the certificate: a compressed
// name, the fixed part, and type, key tag and algorithm (RFC 4398 §2).
const certOverhead = 2 + 10 + 5

var (
	errTooLong   = errors.New("the name is too long for DNS")
	errNoServer  = errors.New("no name server is given for the domain")
	errNoHost    = errors.New("cannot be the name of a server, which must be a host's full name")
	errNoAddress = errors.New("a server of that name is published, its name is in one of our domains, and it has no address")
	errForeign   = errors.New("the name is in none of our domains, so its address is published nowhere")
	errWildcard  = errors.New("DNS takes a label that is an asterisk for every name that is not there (RFC 4592 §2.1.1)")
	errTooMany   = fmt.Errorf("one certificate more than DNS can carry: there is room for %d octets at one name", maxRRset)
)

// Zones returns what DNS says of a Set, a zone for each of its domains in their
// order. A name is in the zone of the longest domain that it lies in, as servers
// look for it: the certificate of x.lab@b.example, if lab.b.example is a domain of
// the Set, too.
func (s *Set) Zones() []Zone {
	m := zoneMaker{set: s, zones: make([]Zone, len(s.Domains)), place: make(map[mime.Domain]int, len(s.Domains)),
		seen: make(map[[sha256.Size]byte]bool, len(s.Certificates)), used: make(map[string]int)}
	for i, d := range s.Domains {
		m.zones[i].Domain = d
		m.place[d] = i
	}
	for i := range m.zones {
		m.apex(&m.zones[i])
	}
	m.hosts()
	for _, c := range s.Certificates {
		m.certificate(c)
	}
	for i := range m.zones {
		m.delegate(&m.zones[i])
	}
	return m.zones
}

// A zoneMaker makes the zones of a set.
type zoneMaker struct {
	set   *Set
	zones []Zone
	place map[mime.Domain]int        // in zones
	seen  map[[sha256.Size]byte]bool // certificates at their names
	used  map[string]int             // octets of certificates by lower-case name
}

// zoneOf returns the zone that a name without final dot lies in, or nil.
func (m *zoneMaker) zoneOf(name string) *Zone {
	name = strings.ToLower(name)
	for {
		i, ok := m.place[mime.Domain(name)]
		if ok {
			return &m.zones[i]
		}
		_, above, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		name = above
	}
}

func (z *Zone) add(all ...dns.RR) { z.Records = append(z.Records, all...) }

func (z *Zone) problem(name string, err error) { z.Problems = append(z.Problems, Problem{name, err}) }

// apex begins a zone: SOA, name servers, mail servers and directories.
func (m *zoneMaker) apex(z *Zone) {
	d := string(z.Domain)
	servers := m.nameServers(z.Domain)
	if len(servers) == 0 {
		z.problem(d, errNoServer)
		return
	}
	if !isName(d) {
		z.problem(d, errTooLong)
		return
	}
	mailbox := "hostmaster." + d // RFC 2142 §7
	if !isName(mailbox) {
		mailbox = d
	}
	z.add(&dns.SOA{Hdr: m.header(d, dns.TypeSOA), Ns: servers[0].(*dns.NS).Ns, Mbox: dns.Fqdn(mailbox),
		Serial: m.set.Serial, Refresh: soaRefresh, Retry: soaRetry, Expire: soaExpire, Minttl: min(soaMinimum, m.ttl())})
	z.add(servers...)
	for _, s := range m.set.Mail {
		if isHost(s.Host) {
			z.add(&dns.MX{Hdr: m.header(d, dns.TypeMX), Preference: s.Preference, Mx: dns.Fqdn(string(s.Host))})
		}
	}
	m.directories(z)
}

// directories says where certificates are asked for by LDAP (CD-20, CD-21).
func (m *zoneMaker) directories(z *Zone) {
	service := "_ldap._tcp." + string(z.Domain)
	if len(m.set.Directories) > 0 && !isName(service) {
		z.problem(service, errTooLong)
		return
	}
	for i, s := range m.set.Directories {
		if isHost(s.Host) {
			z.add(&dns.SRV{Hdr: m.header(service, dns.TypeSRV), Priority: uint16(min(i, math.MaxUint16)), Port: s.Port,
				Target: dns.Fqdn(string(s.Host))})
		}
	}
}

func (m *zoneMaker) nameServers(d mime.Domain) []dns.RR {
	var all []dns.RR
	for _, n := range m.set.NameServers {
		if isHost(n) {
			all = append(all, &dns.NS{Hdr: m.header(string(d), dns.TypeNS), Ns: dns.Fqdn(string(n))})
		}
	}
	return all
}

// hosts adds the addresses of hosts to the zones they are in, and tells of
// servers that cannot be found.
func (m *zoneMaker) hosts() {
	for _, h := range slices.Sorted(maps.Keys(m.set.Hosts)) {
		z := m.zoneOf(string(h))
		switch {
		case z == nil:
			m.everywhere(string(h), errForeign)
		case len(z.Records) > 0:
			z.add(m.addresses(h)...)
		}
	}
	servers := slices.Clone(m.set.NameServers)
	for _, s := range m.set.Mail {
		servers = append(servers, s.Host)
	}
	for _, s := range m.set.Directories {
		servers = append(servers, s.Host)
	}
	slices.Sort(servers)
	for _, h := range slices.Compact(servers) {
		z := m.zoneOf(string(h))
		switch {
		case !isHost(h):
			m.everywhere(string(h), errNoHost)
		case z != nil && len(m.set.Hosts[h]) == 0:
			z.problem(string(h), errNoAddress)
		}
	}
}

// everywhere is a problem of every zone.
func (m *zoneMaker) everywhere(name string, err error) {
	for i := range m.zones {
		m.zones[i].problem(name, err)
	}
}

func (m *zoneMaker) addresses(h mime.Domain) []dns.RR {
	var all []dns.RR
	for _, a := range m.set.Hosts[h] {
		all = append(all, AddressRecord(m.header(string(h), 0), a))
	}
	return all
}

// AddressRecord is the A or AAAA record of an address; the type of the header
// comes from it.
func AddressRecord(h dns.RR_Header, a netip.Addr) dns.RR {
	a = a.Unmap()
	if a.Is4() {
		h.Rrtype = dns.TypeA
		return &dns.A{Hdr: h, A: a.AsSlice()}
	}
	h.Rrtype = dns.TypeAAAA
	return &dns.AAAA{Hdr: h, AAAA: a.WithZone("").AsSlice()}
}

// certificate adds one at the name of its address (CD-1) or domain (CD-2).
func (m *zoneMaker) certificate(c Certificate) {
	owner, name := string(c.Domain), string(c.Domain)
	var err error
	if !c.Address.IsZero() {
		owner = c.Address.String()
		name, err = discovery.AddressName(c.Address)
		if slices.Contains(strings.Split(name, "."), "*") {
			err = errWildcard
		}
	}
	home := m.zoneOf(string(c.Domain))
	if home == nil || home.Domain != c.Domain {
		return // not one of the set's domains
	}
	if err != nil {
		home.problem(owner, err)
		return
	}
	z, name := m.zoneOf(name), strings.ToLower(name)
	if len(z.Records) == 0 {
		return // its apex told why
	}
	key := sha256.Sum256(slices.Concat([]byte(name), []byte{0}, c.Certificate.Raw))
	if m.seen[key] {
		return // an RRset is a set (RFC 2181 §5)
	}
	m.seen[key] = true
	size := len(c.Certificate.Raw) + certOverhead
	if m.used[name]+size > maxRRset {
		home.problem(owner, errTooMany)
		return
	}
	m.used[name] += size
	z.add(&dns.CERT{Hdr: m.header(name, dns.TypeCERT), Type: discovery.CertPKIX,
		Certificate: base64.StdEncoding.EncodeToString(c.Certificate.Raw)})
}

// delegate tells the zone above, if that is one of the set, of a zone.
func (m *zoneMaker) delegate(z *Zone) {
	_, above, _ := strings.Cut(string(z.Domain), ".")
	parent := m.zoneOf(above)
	if parent == nil || len(parent.Records) == 0 || len(z.Records) == 0 {
		return
	}
	parent.Cuts = append(parent.Cuts, m.nameServers(z.Domain)...)
	for _, n := range m.set.NameServers {
		if m.zoneOf(string(n)) == z {
			parent.Cuts = append(parent.Cuts, m.addresses(n)...)
		}
	}
}

func (m *zoneMaker) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: rrtype, Class: dns.ClassINET, Ttl: m.ttl()}
}

// ttl is in seconds, of which 31 bits count (RFC 2181 §8).
func (m *zoneMaker) ttl() uint32 {
	return uint32(min(max(m.set.TTL/time.Second, 0), math.MaxInt32))
}

// isName reports whether DNS can hold a name (RFC 1035 §3.1).
func isName(name string) bool {
	var wire [255]byte
	_, err := dns.PackDomainName(dns.Fqdn(name), wire[:], 0, nil, false)
	return err == nil
}

// isHost reports whether a record may name a server so: an IP address in its
// place is one that nobody finds (RFC 1035 §3.3.11, CD-10).
func isHost(h mime.Domain) bool {
	_, err := netip.ParseAddr(string(h))
	return err != nil && isName(string(h))
}
