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
	NameServers []mime.Domain // at least one
	Mail        []MailServer
	Directories []Directory
	Hosts       map[mime.Domain][]netip.Addr
	TTL         time.Duration
	// Serial grows with every change of the set.
	Serial       uint32
	Domains      []mime.Domain
	Certificates []Certificate
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
