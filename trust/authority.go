package trust

import (
	"crypto/x509"
	"fmt"
	"time"

	"postern/trust/reason"
)

// dateProblem checks one certificate of a path (AS-68), or returns "".
func dateProblem(cert *x509.Certificate, at time.Time) string {
	if at.After(cert.NotAfter) {
		return fmt.Sprintf("%q ended on %s", name(cert), reason.Date(cert.NotAfter)) // TB-19 for anchors
	}
	if at.Add(ClockSkew).Before(cert.NotBefore) {
		return fmt.Sprintf("%q begins on %s", name(cert), reason.Date(cert.NotBefore))
	}
	return ""
}

// authorityProblem checks what makes an authority (RFC 5280 §4.2.1.9, §4.2.1.3),
// or returns "". A certificate older than version 3 cannot say that it is one,
// so that only an anchor may be, which is known to be one otherwise
// (§6.1.4 (k)); crypto/x509 sees to that.
func authorityProblem(cert *x509.Certificate) string {
	if cert.Version == 3 && !(cert.BasicConstraintsValid && cert.IsCA) {
		return fmt.Sprintf("%q is not an authority, yet it issued a certificate", name(cert))
	}
	// An extension without any bit allows nothing; crypto/x509 takes it for
	// none.
	if hasExtension(cert, oidKeyUsage) && cert.KeyUsage&x509.KeyUsageCertSign == 0 {
		return fmt.Sprintf("%q may not sign certificates (keyUsage)", name(cert))
	}
	return criticalProblem(cert)
}

// criticalProblem finds a critical extension that is not understood (RFC 5280
// §4.2), or returns "".
func criticalProblem(cert *x509.Certificate) string {
	if len(cert.UnhandledCriticalExtensions) == 0 {
		return ""
	}
	return fmt.Sprintf("%q has a critical extension that is not understood: %s", name(cert), cert.UnhandledCriticalExtensions[0])
}
