package named

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"postern/internal/publish"
	"postern/mime"
	"postern/trust/discovery"
)

// ttl is that of every record, in seconds.
const ttl = 60

// A Record is one record, or a few that belong together. Names are absolute and
// need no final dot. A name that cannot be is reported by Records.
type Record struct {
	rrs []dns.RR
	err error
}

func record(rr dns.RR) Record {
	_, ok := dns.IsDomainName(rr.Header().Name)
	if !ok {
		return Record{err: fmt.Errorf("%q cannot be a DNS name", rr.Header().Name)}
	}
	return Record{rrs: []dns.RR{rr}}
}

func header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: dns.Fqdn(name), Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// Apex begins the zone of a domain: its SOA, and an NS that names a host in it,
// for which an A record should be given.
func Apex(domain, nameServer string) Record {
	soa := &dns.SOA{Hdr: header(domain, dns.TypeSOA), Ns: dns.Fqdn(nameServer), Mbox: dns.Fqdn("hostmaster." + domain),
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl}
	r := record(soa)
	r.rrs = append(r.rrs, &dns.NS{Hdr: header(domain, dns.TypeNS), Ns: dns.Fqdn(nameServer)})
	return r
}

// A is the address of a host, of either family.
func A(host string, addr netip.Addr) Record {
	return record(publish.AddressRecord(header(host, 0), addr))
}

// MX is a mail server of a domain; the host "." is the null MX (RFC 7505).
func MX(domain string, preference uint16, host string) Record {
	return record(&dns.MX{Hdr: header(domain, dns.TypeMX), Preference: preference, Mx: dns.Fqdn(host)})
}

// SRV is a server of a service such as "_ldap._tcp.b.example"; the target "."
// says that there is none (RFC 2782).
func SRV(service string, priority, weight, port uint16, target string) Record {
	return record(&dns.SRV{Hdr: header(service, dns.TypeSRV), Priority: priority, Weight: weight, Port: port,
		Target: dns.Fqdn(target)})
}

// DomainCERT publishes a certificate for a whole domain (CD-2).
func DomainCERT(domain mime.Domain, cert *x509.Certificate) Record {
	return CERT(domain.String(), discovery.CertPKIX, cert.Raw)
}

// AddressCERT publishes a certificate for one address (CD-1).
func AddressCERT(addr mime.Address, cert *x509.Certificate) Record {
	name, err := discovery.AddressName(addr)
	if err != nil {
		return Record{err: fmt.Errorf("publishing a certificate for %s: %w", addr, err)}
	}
	return CERT(name, discovery.CertPKIX, cert.Raw)
}

// CERT is a CERT record of any type and content (RFC 4398).
func CERT(name string, certType uint16, data []byte) Record {
	return record(&dns.CERT{Hdr: header(name, dns.TypeCERT), Type: certType,
		Certificate: base64.StdEncoding.EncodeToString(data)})
}
