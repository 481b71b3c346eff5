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
	maxSignatures  = 100 // checked by us from the anchors downward, but for those in the memo
	maxClimbed     = 64  // and from the certificate upward
	moreForFetched = 20  // of both, once issuers were fetched
	maxAttempted   = 400 // checked by crypto/x509 for a certificate, in vain: both signers, now and at the end of the skew
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
	fetched []*x509.Certificate      // from those URLs, each once
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

// A share is what one certificate's quest may spend. Looking down and looking up
// have each their own, so that one leaves something to the other.
type share struct {
	descends, climbs int // signatures to check that no quest before has checked
	attempted        int // signatures that crypto/x509 may have checked in vain, but for a few
}

func newShare() share { return share{descends: maxSignatures, climbs: maxClimbed} }

// more is for certificates that were fetched: what came before them must not have
// used up what they need.
func (s *share) more() {
	s.descends, s.climbs = max(s.descends, moreForFetched), max(s.climbs, moreForFetched)
}

// affords reports whether crypto/x509 may check so many signatures in vain. A few
// are always free.
func (s *share) affords(n int) bool { return n <= maxPath || s.attempted+n <= maxAttempted }

// vain counts them.
func (s *share) vain(n int) {
	if n > maxPath {
		s.attempted += n
	}
}

// made reports whether up's key made the signature on cert, if so many signatures
// are left to check.
func (q *quest) made(left *int, cert, up *x509.Certificate) bool {
	l := [2]Fingerprint{q.print(cert), q.print(up)}
	good, known := q.signed[l]
	if !known && *left > 0 {
		*left--
		good = up.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
		q.signed[l] = good
	}
	return good
}

// madeOrWeak is made, but for algorithms that are refused and cannot be checked:
// there the matching name must do, for a reason that says so.
func (q *quest) madeOrWeak(cert, up *x509.Certificate) bool {
	return signatureProblem(cert) != "" || q.made(&q.climbs, cert, up)
}

// selfSigned reports whether cert is its own issuer, so that nobody is above it.
func (q *quest) selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer) && q.made(&q.climbs, cert, cert)
}

// mayAsk reports whether these URLs may be asked, and counts those that are new.
func (m *Memo) mayAsk(urls []string) bool {
	fresh := make(map[string]bool)
	for _, u := range urls {
		if !m.places[u] {
			fresh[u] = true
		}
	}
	if len(fresh) > 0 && len(m.places)+len(fresh) > maxAskedInAll {
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
	f := m.print(cert)
	_, kept := m.sources[f]
	if !kept && len(m.fetched) < maxIntermediates {
		m.fetched, m.sources[f] = append(m.fetched, cert), sources
	}
}
