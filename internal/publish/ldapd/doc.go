// Package ldapd serves what a site publishes as a read-only LDAP directory (RFC
// 4511), so that others find the certificates of addresses and domains (CD-32):
// the root DSE with its naming contexts, and searches by mail.
//
// The directory is not to be browsed. Whoever knows an address learns its
// certificates; nobody learns the addresses. A search below a naming context has
// to name the mail values that it wants, by an equality that every entry it
// could return must meet: (mail=X), (|(mail=X)(mail=Y)), and either of them
// inside of an and. Any other is refused with adminLimitExceeded, whatever it
// would have found. A search whose base is itself an entry needs no mail, for its
// DN names the address.
//
// Everybody is anonymous. No password is taken, and none is looked at.
//
// What clients send is hostile until shown otherwise: the length, depth and
// number of elements of a message are checked on its octets before anything
// decodes it, and connections, requests, time and answers have bounds.
package ldapd
