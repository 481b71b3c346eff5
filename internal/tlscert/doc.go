// Package tlscert keeps the certificate of the listeners: one from PEM files, which are
// read again when they change, or one that an authority issues over ACME (RFC 8555),
// which is renewed before it ends. A change that is no good leaves the certificate
// before it in place.
//
// Nobody who connects waits for an authority, and nobody can have one asked: the
// certificate is got ahead, in the background, for the names of the configuration
// alone. One certificate has them all, for mail clients and servers often do not say
// whom they look for.
package tlscert
