package trust

import "crypto/x509"

// MayUse reports whether a certificate's keyUsage and extendedKeyUsage
// allow a purpose (AS-20, AS-21; RFC 8550 §4.4.4). It says nothing of trust: it
// is for choosing among certificates of our own.
func MayUse(cert *x509.Certificate, p Purpose) bool { return usageProblem(cert, p) == "" }
