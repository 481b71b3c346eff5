// Package smime makes and opens S/MIME entities (RFC 8551) as the Direct
// Project sends them: signed, then encrypted, in streams.
//
// It is the door through which plaintext leaves internal/cms. CBC does not
// authenticate, so nothing of a decrypted message is shown before a signature
// inside of it verified: Open reads the message once to judge it, and
// Opened.Content decrypts it again to give it out. Whether the signer is to be
// trusted is not asked here.
package smime
