package evidence

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/trust"
	"postern/trust/reason"
)

// Issuers implements trust.Evidence. Certificates that are due to be fetched
// again serve until that is done.
func (k *Keeper) Issuers(of *x509.Certificate) trust.Issuers {
	if of == nil {
		return trust.Issuers{}
	}
	q := &inquiry{of: of}
	q.urls, q.notes = urls(of.IssuingCertificateURL, trust.MaxIssuerURLs)
	if len(q.urls) == 0 {
		return trust.Issuers{Detail: strings.Join(q.notes, "; ")}
	}
	k.begin()
	for range maxLooks {
		q.look(k)
		q.judge()
		all, ok := q.answer(k)
		if ok {
			return all
		}
	}
	return trust.Issuers{Down: true, Detail: "its issuers keep changing"}
}

// An inquiry asks for the issuers of one certificate.
type inquiry struct {
	of    *x509.Certificate
	urls  []string
	notes []string // why some URLs are not asked

	docs   []*document // of urls; nil for none
	serves []bool      // which of them have the issuer
}

// look takes the documents that are here.
func (q *inquiry) look(k *Keeper) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	q.docs = make([]*document, len(q.urls))
	for i, u := range q.urls {
		q.docs[i] = k.strange.get(keyOf(issuers, u, parties{}), parties{}, now).doc
	}
}

// judge finds the documents that serve. It costs signatures, so nobody is kept
// waiting meanwhile.
func (q *inquiry) judge() {
	q.serves = make([]bool, len(q.docs))
	for i, d := range q.docs {
		q.serves[i] = d != nil && d.serves(q.of)
	}
}

// maxJudged bounds the signatures that are checked for one document.
const maxJudged = 20

// serves reports whether a document has a certificate of the issuer.
func (d *document) serves(of *x509.Certificate) bool {
	return slices.ContainsFunc(d.certs[:min(len(d.certs), maxJudged)], func(c *x509.Certificate) bool {
		return trust.IssuedBy(of, c)
	})
}

// answer has fetched what is missing, and reports whether the documents are
// still those that were judged.
func (q *inquiry) answer(k *Keeper) (trust.Issuers, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	var entries []*entry
	for i, u := range q.urls {
		e := k.strange.get(keyOf(issuers, u, parties{}), parties{}, now)
		if e.doc != q.docs[i] {
			return trust.Issuers{}, false
		}
		entries = append(entries, e)
	}
	var all trust.Issuers
	var w waiter
	notes := slices.Clone(q.notes)
	for i, e := range entries {
		k.wantIssuers(e, q.serves[i], i, now)
		w.wait(e.flight)
		if q.serves[i] {
			all.Certificates = append(all.Certificates, e.doc.certs...)
			all.Sources = append(all.Sources, e.key.url)
			continue
		}
		note, down := k.story(e, now)
		notes = append(notes, note)
		all.Down = all.Down || down
	}
	all.Pending = w.pending()
	all.Detail = strings.Join(notes, "; ")
	return all, true
}

// uselessPause is after how long a document is fetched again that has no
// certificate of the issuer asked for. Several certificates may name one URL, so
// that says nothing of others.
const uselessPause = 2 * time.Minute

// wantIssuers has issuers brought that are not here, are due or do not serve, and
// those saved that do.
func (k *Keeper) wantIssuers(e *entry, serves bool, rank int, now time.Time) {
	switch {
	case serves:
		k.proved(e)
		k.want(e, now, rank)
	case e.doc != nil && now.Sub(e.doc.fetched) >= uselessPause:
		k.fetch(e, now, rank)
	default:
		k.want(e, now, rank)
	}
}

// want has what an entry lacks brought, from the cache if it may be there.
func (k *Keeper) want(e *entry, now time.Time, rank int) {
	switch {
	case e.asleep():
		k.load(e, now, rank, false)
	case !e.fresh(now):
		k.fetch(e, now, rank)
	}
}

// story says why an entry has no document that is good now, and whether that is
// because a server is down.
func (k *Keeper) story(e *entry, now time.Time) (string, bool) {
	h, why, down := k.host(e), "", true
	switch {
	case e.trouble.tries > 0:
		down = e.trouble.down || e.doc != nil && e.key.kind == issuers
		why = fmt.Sprintf("fails since %s: %v", reason.Date(e.trouble.since), e.trouble.err)
	case e.doc != nil && e.key.kind == issuers:
		why = "what is there has no certificate of the issuer"
	case h.dead(now):
		why = h.story().Error()
	case e.flight == nil:
		why = "too much is being fetched"
	case e.flight.started && e.flight.over:
		// Also for those who came later and did not wait.
		why = fmt.Sprintf("no answer within %v of the first question", k.budget())
	default:
		why = "it is being fetched"
	}
	return shown(e.key.url) + ": " + why, down
}
