// Package testnet is help for tests and is imported by tests alone: a
// throwaway PKI without slow key generation, a web server for what authorities
// publish, and real peers (BIND, OpenLDAP's slapd, OpenSSL as an authority,
// Postfix) started on loopback ports that the kernel chooses; a clock, a log and
// a listener that live in a bubble of time.
//
// Everything takes a testing.TB, fails the test on any trouble, and cleans up
// after itself.
package testnet
