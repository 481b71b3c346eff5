// Package discovery finds a recipient's certificates where its domain publishes
// them: DNS CERT records (RFC 4398), then the LDAP directory that SRV records
// name. It judges none of them; that is the work of package trust.
//
// Its DNS client keeps what resolvers answer, and asks a domain's own servers
// for certificates where no resolver does. It also serves the relay, with MX and
// address records.
//
// What DNS and LDAP say is not authenticated and need not be (CD-11, CD-45):
// every answer may be hostile. All sizes, counts and times are bounded, and
// connections to where strangers point us go through package guard.
package discovery
