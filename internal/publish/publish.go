// Package publish says what a site tells others of its domains: certificates,
// mail servers, name servers and directories. Below it, each form has a room:
// the authoritative DNS server, the LDAP server, and files for those who host
// elsewhere.
package publish

import (
	"context"
	"crypto/x509"
	"net/netip"
	"time"

	"postern/mime"
)

// A Set is all that a site publishes at one moment. It never changes once made
// and is shared.
type Set struct {
	Options
	// Serial grows with every change of the set (RFC 1035 §3.3.13).
	Serial       uint32
	Domains      []mime.Domain
	Certificates []Certificate
}

// Options are what a site says of its servers. They are the same for each of its
// domains.
type Options struct {
	NameServers []mime.Domain // at least one; the first is the primary
	Mail        []MailServer
	Directories []Directory
	Hosts       map[mime.Domain][]netip.Addr // in the site's domains
	TTL         time.Duration                // whole seconds
}

// A MailServer takes the mail of every domain of a Set.
type MailServer struct {
	Preference uint16
	Host       mime.Domain
}

// A Directory is an LDAP server that has the certificates of a Set. The first
// is asked first.
type Directory struct {
	Host mime.Domain
	Port uint16
}

// A Certificate is one that others may encrypt to.
type Certificate struct {
	// Address is whose it is, or zero if it is the whole domain's.
	Address     mime.Address
	Domain      mime.Domain // of the address, too
	Certificate *x509.Certificate
}

// A Source returns what is published now. It is asked for every answer, so it
// must be quick and return the same Set while nothing changed.
type Source func(ctx context.Context) (*Set, error)

// A Problem is something of a Set that one of its forms cannot say.
type Problem struct {
	Name string // the address, domain or host it is about
	Err  error
}

// Error tells the name and what is wrong with it.
func (p Problem) Error() string { return p.Name + ": " + p.Err.Error() }
