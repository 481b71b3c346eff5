package evidence

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"postern/bundle"
	"postern/trust"
	"postern/trust/revocation"
)

// Bounds on documents (AS-70, CP-11).
const (
	maxIssuersSize = 64 << 10
	maxOCSPSize    = revocation.MaxOCSP
	maxCRLSize     = revocation.MaxCRL
)

// How long documents are taken for fresh. One that has ended is good for
// nothing; one that is due is fetched again, and serves until it ends.
const (
	issuersFresh    = 24 * time.Hour // unless HTTP says otherwise
	issuersFreshMin = time.Hour
	issuersFreshMax = 7 * 24 * time.Hour
	// revocationFresh is for lists and answers that count for longer. Authorities
	// make new ones before the old have ended, and a revocation should be known
	// within a day.
	revocationFresh = 24 * time.Hour
)

// A document was read, verified and never changes.
type document struct {
	certs []*x509.Certificate // of issuers
	crl   *revocation.CRL
	ocsp  []byte

	fetched time.Time
	made    time.Time // thisUpdate; zero for issuers
	ends    time.Time // until when it counts; zero for issuers
	due     time.Time // when it is to be fetched again
	refresh time.Time // when that is done unasked, before it is due
	size    int64     // octets of memory, about
}

// read makes a document of octets, wherever they came from. Fresh is until when
// issuers need not be fetched again, zero if nobody said.
func read(k key, who parties, body []byte, fetched, fresh time.Time) (*document, error) {
	d := &document{fetched: fetched}
	var err error
	switch k.kind {
	case issuers:
		err = d.readIssuers(body, fresh)
	case crls:
		err = d.readCRL(body, who.issuer)
	default:
		err = d.readOCSP(body, who)
	}
	if err != nil {
		return nil, err
	}
	d.refresh = refreshAt(d.fetched, d.due)
	return d, nil
}

func (d *document) readIssuers(body []byte, fresh time.Time) error {
	var err error
	d.certs, err = parseIssuers(body)
	if err != nil {
		return err
	}
	d.size = 1<<10 + int64(len(body)) // the octets wait to be saved
	for _, c := range d.certs {
		d.size += 4*int64(len(c.Raw)) + 2<<10 // parsed, a certificate takes about four times its octets
	}
	d.due = d.fetched.Add(issuersFresh)
	if !fresh.IsZero() {
		d.due = fresh
	}
	d.due = within(d.due, d.fetched.Add(issuersFreshMin), d.fetched.Add(issuersFreshMax))
	return nil
}

// parseIssuers reads what authority information access leads to: a certificate
// in DER, a certs-only PKCS #7 (RFC 5280 §4.2.2.1), or either in PEM (AS-69,
// CP-10). What cannot be read does not hide the rest.
func parseIssuers(body []byte) ([]*x509.Certificate, error) {
	if len(body) > maxIssuersSize {
		return nil, fmt.Errorf("%w: it has more than %d octets", bundle.ErrTooLarge, maxIssuersSize)
	}
	certs, _, err := bundle.Read(body)
	if err != nil {
		return nil, fmt.Errorf("reading an issuer's certificate: %w", err)
	}
	return certs, nil
}

func (d *document) readCRL(body []byte, issuer *x509.Certificate) error {
	crl, err := revocation.ParseCRL(body)
	if err != nil {
		return err // says what was being done
	}
	err = crl.Verify(issuer)
	if err != nil {
		return err
	}
	if crl.Premature(d.fetched) {
		return errPremature
	}
	d.crl, d.made, d.ends = crl, crl.ThisUpdate, crl.Expires()
	d.size = int64(crl.Size()) + 4*int64(crl.Len())
	d.due = within(d.ends, d.fetched, d.fetched.Add(revocationFresh))
	return nil
}

func (d *document) readOCSP(body []byte, who parties) error {
	// Judged as of when it came: it may have been kept for a while.
	a, err := revocation.CheckOCSP(body, who.cert, who.issuer, d.fetched)
	if err != nil {
		return fmt.Errorf("verifying an OCSP answer: %w", err)
	}
	if a.Premature(d.fetched) {
		return errPremature
	}
	d.ocsp, d.made, d.ends, d.size = body, a.ThisUpdate, a.Expires, int64(len(body))+512
	d.due = within(d.ends, d.fetched, d.fetched.Add(revocationFresh))
	return nil
}

// errPremature is for what would outlive its successors.
var errPremature = errors.New("it was made in the future")

// within returns t, or the nearest moment between the two.
func within(t, from, to time.Time) time.Time {
	if t.Before(from) {
		return from
	}
	if t.After(to) {
		return to
	}
	return t
}

// Refreshing ahead.
const (
	aheadMin  = 5 * time.Minute
	apartMin  = 5 * time.Minute // between two refreshes of a document that stays the same
	freshPart = 0.75            // of its time after which a document is fetched anew
	jitter    = 0.1             // of its time by which that may be earlier
)

// refreshAt is when a document is fetched anew. Gateways that got it at the
// same moment do not come back at the same moment.
func refreshAt(fetched, due time.Time) time.Time {
	span := due.Sub(fetched)
	at := fetched.Add(time.Duration(float64(span) * (freshPart - jitter*rand.Float64())))
	if latest := due.Add(-aheadMin); at.After(latest) {
		at = latest
	}
	if earliest := fetched.Add(apartMin); at.Before(earliest) {
		at = earliest
	}
	return at
}

// answer judges a certificate by the document, as of a time. The error says why
// the document does not count.
func (d *document) answer(k key, of, issuer *x509.Certificate, at time.Time) (trust.Revocation, error) {
	var a revocation.Answer
	var err error
	if k.kind == crls {
		a, err = d.crl.Check(of, issuer, at)
	} else {
		a, err = revocation.CheckOCSP(d.ocsp, of, issuer, at)
	}
	if err != nil {
		return trust.Revocation{}, err
	}
	return trust.Revocation{
		Certificate: of, Status: a.Status, Method: string(k.kind), Source: k.url,
		ThisUpdate: a.ThisUpdate, NextUpdate: a.NextUpdate, Fetched: d.fetched,
		RevokedAt: a.RevokedAt, Detail: a.Reason,
	}, nil
}
