package trust

import (
	"bytes"
	"crypto/x509"
)

// Bounds on the signatures that strangers can have us check, whatever they send
// (AS-70). A question is one Select, or one Judge by itself.
const (
	maxSignatures = 100 // by us, for the first question
	maxAttempted  = 500 // by crypto/x509, for the first question, where one path alone takes more than maxPath
	moreForEach   = 20  // of both, for each question
)

// A Memo is what judgements had to find out about certificates, for those that come
// after: who signed whom is true for ever. It also bounds what all of them cost
// together. Give one to the questions about one stranger's certificates, such as
// those of all recipients of one domain, and to no others. The zero Memo is ready to
// use, by one judgement at a time.
type Memo struct {
	questions int
	prints    map[*x509.Certificate]Fingerprint
	signed    map[[2]Fingerprint]bool // whether the second's key signed the first
	attempted int                     // signatures that crypto/x509 may have checked
	failed    bool                    // an attempt to build a path came to nothing
}

// ask begins a question.
func (m *Memo) ask() {
	if m.signed == nil {
		m.prints, m.signed = make(map[*x509.Certificate]Fingerprint), make(map[[2]Fingerprint]bool)
	}
	m.questions++
}

// print is FingerprintOf, once for each certificate.
func (m *Memo) print(cert *x509.Certificate) Fingerprint {
	f, ok := m.prints[cert]
	if !ok {
		f = FingerprintOf(cert)
		m.prints[cert] = f
	}
	return f
}

// made reports whether up's key made the signature on cert.
func (m *Memo) made(cert, up *x509.Certificate) bool {
	l := [2]Fingerprint{m.print(cert), m.print(up)}
	good, known := m.signed[l]
	if !known && len(m.signed) < maxSignatures+m.questions*moreForEach {
		good = up.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
		m.signed[l] = good
	}
	return good
}

// madeOrWeak is made, but for algorithms that are refused and cannot be checked:
// there the matching name must do, for a reason that says so.
func (m *Memo) madeOrWeak(cert, up *x509.Certificate) bool {
	return signatureProblem(cert) != "" || m.made(cert, up)
}

// selfSigned reports whether cert is its own issuer, so that nobody is above it.
func (m *Memo) selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer) && m.made(cert, cert)
}

// affords reports whether crypto/x509 may check so many signatures more, and counts
// them. A few are always free.
func (m *Memo) affords(n int) bool {
	if n <= maxPath {
		return true
	}
	if m.attempted+n > maxAttempted+m.questions*moreForEach {
		return false
	}
	m.attempted += n
	return true
}
