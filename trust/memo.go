package trust

import (
	"bytes"
	"crypto/x509"
)

// Bounds on what strangers can have us do, whatever they send (AS-70). Each
// certificate that is judged has a share of its own, so that none spends what
// another needs: see share. Of servers that are asked for one there is a bound for
// all as well.
const (
	maxSignatures  = 100 // checked by us for a certificate, but for those in the memo
	moreForFetched = 20  // of them, once issuers were fetched
	maxAttempted   = 200 // checked by crypto/x509 for a certificate, in vain
	maxAskedInAll  = 100 // URLs for all certificates of a memo
)

// A Memo is what judgements had to find out about certificates, for those that come
// after: who signed whom is true for ever. Give one to the questions about one
// stranger's certificates, such as those of all recipients of one domain, and to no
// others. The zero Memo is ready to use, by one judgement at a time.
type Memo struct {
	prints  map[*x509.Certificate]Fingerprint
	signed  map[[2]Fingerprint]bool  // whether the second's key signed the first
	places  map[string]bool          // URLs that may have been asked for issuers
	answers map[Fingerprint]Issuers  // of certificates, that nothing more is to come to
	fetched []*x509.Certificate      // from those URLs
	sources map[Fingerprint][]string // of them
	failed  bool                     // an attempt to build a path came to nothing
}

// ready has the memo ready for a question.
func (m *Memo) ready() {
	if m.signed == nil {
		m.prints, m.signed = make(map[*x509.Certificate]Fingerprint), make(map[[2]Fingerprint]bool)
		m.places, m.answers, m.sources = make(map[string]bool), make(map[Fingerprint]Issuers), make(map[Fingerprint][]string)
	}
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

// A share is what one certificate's quest has spent.
type share struct {
	checked   int // signatures that no quest before had checked
	attempted int // signatures that crypto/x509 may have checked in vain
}

// more is for certificates that were fetched: what came before them must not have
// used up what they need.
func (s *share) more() { s.checked = min(s.checked, maxSignatures-moreForFetched) }

// affords reports whether crypto/x509 may check so many signatures in vain. A few
// are always free.
func (s *share) affords(n int) bool { return n <= maxPath || s.attempted+n <= maxAttempted }

// made reports whether up's key made the signature on cert.
func (q *quest) made(cert, up *x509.Certificate) bool {
	l := [2]Fingerprint{q.print(cert), q.print(up)}
	good, known := q.signed[l]
	if !known && q.checked < maxSignatures {
		q.checked++
		good = up.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
		q.signed[l] = good
	}
	return good
}

// madeOrWeak is made, but for algorithms that are refused and cannot be checked:
// there the matching name must do, for a reason that says so.
func (q *quest) madeOrWeak(cert, up *x509.Certificate) bool {
	return signatureProblem(cert) != "" || q.made(cert, up)
}

// selfSigned reports whether cert is its own issuer, so that nobody is above it.
func (q *quest) selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer) && q.made(cert, cert)
}

// mayAsk reports whether these URLs may be asked, and counts those that are new.
func (m *Memo) mayAsk(urls []string) bool {
	n := len(m.places)
	for i, u := range urls {
		if !m.places[u] && (i == 0 || u != urls[0]) {
			n++
		}
	}
	if n > max(maxAskedInAll, len(m.places)) {
		return false
	}
	for _, u := range urls {
		m.places[u] = true
	}
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
