// Package discovery finds a recipient's certificates where its domain publishes
// them: DNS CERT records (RFC 4398), which hold them or say at which URL they are,
// then the LDAP directories that SRV records name. It judges none of them; that
// is the work of package trust.
//
// A Resolver searches. It keeps what was found for as long as its sources allow,
// and over a restart where that can refuse nobody; it asks once for what many
// wait for, and does not wait again and again for domains whose servers are dead.
//
// Its DNS client keeps what resolvers answer, and asks a domain's own servers
// for certificates where no resolver does. It also serves the relay, with MX and
// address records.
//
// What DNS and LDAP say is not authenticated and need not be (CD-11, CD-45):
// every answer may be hostile. All sizes, counts and times are bounded, and
// connections to where strangers point us go through package guard.
package discovery
