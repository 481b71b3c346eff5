// Package cms reads and writes the Cryptographic Message Syntax (RFC 5652)
// in the profile of S/MIME 4.0 (RFC 8551): EnvelopedData with AES-CBC (RFC 3565)
// and AuthEnvelopedData with AES-GCM (RFC 5083, RFC 5084), to RSA keys by key
// transport (RFC 3370, RFC 3560) and to EC keys by key agreement (RFC 5753);
// and SignedData with SHA-2 and RSA PKCS #1 v1.5, RSA-PSS or ECDSA (RFC 5754,
// RFC 4056), with SHA-1 for old senders when it is asked for. CompressedData is
// refused by its type.
//
// It reads BER, because Java and gpgsm peers send indefinite lengths and
// chunked octet strings, and it writes DER of known length, so that nothing
// has to be buffered in either direction. What it reads is hostile: depth,
// count and held octets are bounded by Limits, and all work is linear in the
// input.
//
// Two rules shape the package. What Read returns from an EnvelopedReader or a
// SignedReader is not authenticated: internal/cms/smime is the door through
// which only verified content leaves. And private keys are crypto.Signer,
// crypto.Decrypter and KeyAgreer, never key material, so that a hardware module
// fits.
//
// The package judges mathematics, not trust: validity, revocation, binding to
// an address and what keys a peer may have belong to package trust. Of sizes it
// holds what it writes to RSA of 2048 bits (AS-34), so that no caller can send
// anything weaker, and what it reads to what costs little to check.
package cms
