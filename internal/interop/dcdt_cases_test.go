package interop

import (
	"crypto/elliptic"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// A place is where a certificate can be published, in the order of the search
// (CD-44).
type place int

const (
	dnsAddress place = iota
	dnsDomain
	ldapAddress
	ldapDomain
)

// A hosting is what a far domain publishes, and what has to come of a message to
// an address there.
type hosting struct {
	name, proves string
	label        string   // the first of the domain's name
	zone         []string // $good, $other and $dead are the ports of directories
	good, other  []testnet.Entry
	want         *testnet.Identity   // the message is encrypted to this one alone
	decoys       []*testnet.Identity // and to none of these
	reason       string              // instead of want: nothing is sent
}

func (h hosting) domain() string  { return h.label + ".example" }
func (h hosting) address() string { return "patient@" + h.domain() }

// owner is whose certificate a place has.
func (h hosting) owner(p place) string {
	if p == dnsAddress || p == ldapAddress {
		return h.address()
	}
	return h.domain()
}

// publish puts certificates at a place.
func (h *hosting) publish(p place, ids ...*testnet.Identity) {
	switch p {
	case dnsAddress, dnsDomain:
		name := map[place]string{dnsAddress: "patient", dnsDomain: "@"}[p]
		for _, id := range ids {
			h.zone = append(h.zone, testnet.ZoneCERT(name, id.Cert))
		}
	default:
		h.good = append(h.good, testnet.Entry{Mail: h.owner(p), Certificates: testnet.Certs(ids...)})
	}
}

// A dcdt makes the certificates of the cases.
type dcdt struct {
	t        *testing.T
	root     *testnet.Identity // the anchor
	stranger *testnet.Identity
	*publisher
}

// The certificates that must be used have RSA keys, as most out there have. A
// decoy's key costs no time to make.
func quick() testnet.Option   { return testnet.EC(elliptic.P256()) }
func expired() testnet.Option { return testnet.Valid(-30*24*time.Hour, -24*time.Hour) }

// decoyed makes a case: certificates at a place, and at all later places good and
// bad ones, which nobody may come to (CD-41, CD-42).
func (d *dcdt) decoyed(name, proves string, at place, ids ...*testnet.Identity) hosting {
	h := hosting{name: name, proves: proves, label: strings.ToLower(name)}
	h.publish(at, ids...)
	for p := at + 1; p <= ldapDomain; p++ {
		more := []*testnet.Identity{
			d.root.Leaf(h.owner(p), quick()),
			d.root.Leaf(h.owner(p), quick(), expired()),
			d.stranger.Leaf(h.owner(p), quick()),
		}
		h.publish(p, more...)
		h.decoys = append(h.decoys, more...)
	}
	h.zone = append(h.zone, "_ldap._tcp IN SRV 0 0 $good ns")
	return h
}

// found makes a case in which the first of the certificates is used, and refused
// one in which none is.
func (d *dcdt) found(name, proves string, at place, ids ...*testnet.Identity) hosting {
	h := d.decoyed(name, proves, at, ids...)
	h.want, h.decoys = ids[0], append(h.decoys, ids[1:]...)
	return h
}

func (d *dcdt) refused(name, proves, reason string, at place, ids ...*testnet.Identity) hosting {
	h := d.decoyed(name, proves, at, ids...)
	h.reason, h.decoys = reason, append(h.decoys, ids...)
	return h
}

// directed makes a case of several directories, whose SRV records are given. The
// other directory has a good certificate for the same address.
func (d *dcdt) directed(name, proves string, srv ...string) hosting {
	label := strings.ToLower(name)
	second := d.root.Leaf("patient@"+label+".example", quick())
	h := d.found(name, proves, ldapAddress, d.root.Leaf("patient@"+label+".example"))
	h.other = []testnet.Entry{{Mail: h.address(), Certificates: testnet.Certs(second)}}
	h.zone, h.decoys = srv, append(h.decoys, second)
	return h
}

// cases are D1 to D18.
func (d *dcdt) cases() []hosting {
	return slices.Concat(d.places(), d.invalid(), d.nowhere(), d.directories(), d.selections())
}

func (d *dcdt) places() []hosting {
	return []hosting{
		d.found("D1", "address in DNS", dnsAddress, d.root.Leaf("patient@d1.example")),
		d.found("D2", "domain in DNS", dnsDomain, d.root.Leaf("d2.example")),
		d.found("D3", "address in LDAP", ldapAddress, d.root.Leaf("patient@d3.example")),
		d.found("D4", "domain in LDAP", ldapDomain, d.root.Leaf("d4.example")),
	}
}

func (d *dcdt) invalid() []hosting {
	return []hosting{
		d.refused("D5", "invalid address in DNS", "expired", dnsAddress, d.root.Leaf("patient@d5.example", quick(), expired())),
		d.refused("D6", "invalid domain in DNS", "untrusted-anchor", dnsDomain, d.stranger.Leaf("d6.example", quick())),
		d.refused("D7", "invalid address in LDAP", "wrong-address", ldapAddress, d.root.Leaf("nurse@d7.example", quick())),
		d.refused("D8", "invalid domain in LDAP", "expired", ldapDomain, d.root.Leaf("d8.example", quick(), expired())),
	}
}

func (d *dcdt) nowhere() []hosting {
	const none = "no-certificate"
	return []hosting{
		{name: "D11", proves: "no certificate and no SRV", label: "d11", reason: none},
		{name: "D12", proves: "SRV to a dead server", label: "d12", reason: none, zone: []string{"_ldap._tcp IN SRV 0 0 $dead ns"}},
		{name: "D13", proves: "a directory without the address", label: "d13", reason: none, zone: []string{"_ldap._tcp IN SRV 0 0 $good ns"}},
	}
}

func (d *dcdt) directories() []hosting {
	return []hosting{
		d.directed("D10", "a dead directory is passed over", "_ldap._tcp IN SRV 1 0 $good ns", "_ldap._tcp IN SRV 0 0 $dead ns"),
		d.directed("D15", "priority of SRV", "_ldap._tcp IN SRV 1 100 $other ns", "_ldap._tcp IN SRV 0 0 $good ns"),
		d.directed("D16", "weight of SRV", "_ldap._tcp IN SRV 0 0 $other ns", "_ldap._tcp IN SRV 0 100 $good ns"),
	}
}

func (d *dcdt) selections() []hosting {
	crl := testnet.PublishedAt(d.web.URL+"/ca.crl", "", "")
	d17 := []*testnet.Identity{
		d.root.Leaf("d17.example", crl), d.root.Leaf("d17.example", quick(), crl), d.root.Leaf("d17.example", quick(), crl),
	}
	for _, id := range d17[1:] {
		d.register.Revoke(id.Cert, time.Now().Add(-time.Hour), "keyCompromise")
	}
	d.register.Issued(d17[0].Cert)
	d.publisher.publish("/ca.crl")
	between := d.root.Intermediate("interop intermediate")
	d.web.Put("/between.cer", testnet.TypeCert, between.Cert.Raw)
	return []hosting{
		d.found("D9", "valid and invalid in one answer", dnsAddress, d.root.Leaf("patient@d9.example"),
			d.root.Leaf("patient@d9.example", quick(), expired()), d.stranger.Leaf("patient@d9.example", quick())),
		d.found("D14", "an answer for TCP alone", dnsDomain, d.root.Leaf("d14.example", large())),
		d.found("D17", "two revoked and one good", dnsDomain, d17...),
		d.found("D18", "the issuer is fetched", dnsDomain, between.Leaf("d18.example", testnet.PublishedAt("", "", d.web.URL+"/between.cer"))),
	}
}

// large makes a certificate of more than any datagram that we ask for (1232
// octets) with an extension that means nothing.
func large() testnet.Option {
	return testnet.Extension(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}, false, fmt.Appendf([]byte{0x04, 0x82, 0x04, 0x00}, "%01024d", 0))
}
