package trust

import (
	"bytes"
	"crypto/x509"
)

// Bounds on the signatures that strangers can have us check, whatever they send
// (AS-70). A question is one Select, or one Judge by itself.
const (
	maxAskedInAll = 32  // URLs, for the first question
	moreAsked     = 4   // for each question
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
	places    int                      // that may have been asked for issuers
	wanted    map[Fingerprint]bool     // whose issuers were
	answers   map[Fingerprint]Issuers  // that nothing more is to come to
	fetched   []*x509.Certificate      // from those URLs
	sources   map[Fingerprint][]string // of them
	signed    map[[2]Fingerprint]bool  // whether the second's key signed the first
	attempted int                      // signatures that crypto/x509 may have checked
	failed    bool                     // an attempt to build a path came to nothing
}

// ask begins a question.
func (m *Memo) ask() {
	if m.signed == nil {
		m.prints, m.signed = make(map[*x509.Certificate]Fingerprint), make(map[[2]Fingerprint]bool)
		m.wanted, m.answers, m.sources = make(map[Fingerprint]bool), make(map[Fingerprint]Issuers), make(map[Fingerprint][]string)
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

// mayAsk reports whether the issuers of a certificate may be asked for, at so many
// URLs. What they lead to costs signatures, and others' time.
func (m *Memo) mayAsk(f Fingerprint, urls int) bool {
	if m.wanted[f] {
		return true
	}
	if m.places+urls > maxAskedInAll+m.questions*moreAsked {
		return false
	}
	m.wanted[f] = true
	m.places += urls
	return true
}

// answer asks for the issuers of cert until nothing more is to come.
func (m *Memo) answer(e Evidence, cert *x509.Certificate) Issuers {
	f := m.print(cert)
	a, ok := m.answers[f]
	if !ok {
		a = e.Issuers(cert)
	}
	if a.Pending == nil {
		m.answers[f] = a
	}
	return a
}

// keep has a certificate that was fetched for one at hand for all.
func (m *Memo) keep(cert *x509.Certificate, sources []string) {
	m.sources[m.print(cert)] = sources
	if len(m.fetched) < maxIntermediates {
		m.fetched = append(m.fetched, cert)
	}
}
