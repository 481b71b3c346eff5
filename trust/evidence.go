package trust

import (
	"crypto/x509"
	"time"
)

// Evidence is what is known of certificates from elsewhere: who issued them
// (RFC 5280 §4.2.2.1) and whether they are revoked. No method waits for the
// network. One that lacks something has it fetched, and says so by Pending.
//
// An implementation bounds the wait: it closes Pending when the answer has come
// or its budget is over, whichever is first, and after the budget it answers
// without Pending that there is nothing to be had, until it knows better. A
// server that is down so delays one judgement once, for issuers and for revocation.
type Evidence interface {
	// Issuers returns certificates that the authority information access of a
	// certificate leads to (AS-69), if its issuer is among them. Whether they may
	// be trusted is not checked.
	Issuers(of *x509.Certificate) Issuers

	// Revocation tells whether a certificate of the issuer was revoked at a
	// time (AS-71, AS-74). The answer was signed by the issuer, or in its name.
	Revocation(of, issuer *x509.Certificate, at time.Time) Revocation
}

// Issuers is what authority information access led to.
type Issuers struct {
	Certificates []*x509.Certificate
	Sources      []string // the URLs that they came from
	// Pending is not nil while the certificates are on their way.
	Pending <-chan struct{}
	// Down is true if a server did not answer, or with something else, so that it may
	// be worth asking later; Detail says which and how.
	Down   bool
	Detail string
}

// A RevocationStatus is what is known of one certificate's revocation. The zero
// value is that nobody asked.
type RevocationStatus string

// The states of revocation.
const (
	NotRevoked         RevocationStatus = "good"
	IsRevoked          RevocationStatus = "revoked"
	RevocationUnknown  RevocationStatus = "unavailable" // its sources gave no answer that counts
	RevocationUnstated RevocationStatus = "no-source"   // it names neither a CRL nor an OCSP responder
)

// A Revocation is what is known of one certificate's revocation, and from when.
type Revocation struct {
	Certificate *x509.Certificate
	Status      RevocationStatus
	Method      string    // "crl" or "ocsp"; "" without an answer
	Source      string    // the URL of the answer
	ThisUpdate  time.Time // when the issuer made the answer
	NextUpdate  time.Time // until when it counts; zero if the issuer does not say
	Fetched     time.Time
	RevokedAt   time.Time // zero unless revoked
	Detail      string    // the reason of a revocation, or why there is no answer
	// Pending is not nil while an answer is on its way.
	Pending <-chan struct{}
}
