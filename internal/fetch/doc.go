// Package fetch gets small documents over HTTP from servers that strangers
// name: a certificate says where its issuer's certificate, its CRL and its OCSP
// responder are (RFC 5280 §4.2.1.13, §4.2.2.1), and whoever wrote it may be an
// attacker.
//
// Everything about a fetch is bounded: the time of the whole, the number of
// redirections, the octets of header and body. Every connection goes through
// package guard, so that no name and no redirection leads to our own network. A
// fetch keeps nothing: no cookie, no idle connection, no proxy of the
// environment.
package fetch
