package discovery

import (
	"crypto/x509"
	"time"

	"postern/trust/reason"
)

// A Source is one of the four places where a domain may publish certificates
// (CD-44), in the order in which they are asked.
type Source string

// The sources.
const (
	DNSAddress  Source = "dns-address"
	DNSDomain   Source = "dns-domain"
	LDAPAddress Source = "ldap-address"
	LDAPDomain  Source = "ldap-domain"
)

// Found is a certificate and where it was. Nobody has judged it.
type Found struct {
	Certificate *x509.Certificate
	Source      Source
}

// A Step is one question to one server, for our own eyes.
type Step struct {
	Source       Source
	Query        string // the name and type, or the filter
	Server       string // address and port of the one that was asked last
	Duration     time.Duration
	Outcome      string // what came of it, in words
	Certificates int    // how many were found
	Err          error  // of a failure; an answer that there is nothing is none
}

// A Result is all that Find learnt.
type Result struct {
	Certificates []Found
	Steps        []Step
	// Err is nil if there are certificates; otherwise NoCertificate, or
	// DiscoveryTimeout if a later try may find some.
	Err *reason.Error
}
