package trust

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"slices"
)

// Bounds on what one judgement asks of authority information access (AS-70).
const (
	maxLevels  = 4  // of issuers above what came with the message
	maxAsked   = 8  // URLs
	maxIssuers = 20 // certificates taken from one answer
)

// MaxIssuerURLs is how many of the URLs that a certificate names for its issuer
// an Evidence asks at most (AS-70).
const MaxIssuerURLs = 2

// issuers is what a quest learnt of missing intermediates.
type issuers struct {
	asked   map[Fingerprint]bool
	urls    int                      // that may have been asked
	from    map[Fingerprint][]string // the URLs of what was fetched
	pending <-chan struct{}
	down    string // which server did not answer, and how
	missed  string // what else came to nothing
}

// fetch asks for the issuers of the certificates that want one, and reports
// whether a certificate came that was not known before.
func (q *quest) fetch(c *climb) bool {
	if q.p.Evidence == nil || c.reached || len(q.goals) == 0 {
		return false
	}
	news := false
	for _, cert := range c.wanting {
		f, urls := q.print(cert), cert.IssuingCertificateURL
		urls = urls[:min(len(urls), MaxIssuerURLs)]
		if q.asked[f] || len(urls) == 0 || q.urls+len(urls) > maxAsked {
			continue
		}
		if !q.mayAsk(urls) {
			q.putOff(cert)
			continue
		}
		if q.asked == nil {
			q.asked = make(map[Fingerprint]bool)
		}
		q.asked[f] = true
		q.urls += len(urls)
		if q.learn(cert, q.answer(q.p.Evidence, cert)) {
			news = true
		}
	}
	return news
}

// putOff notes an issuer that is not asked for, for all that was asked for others.
// Some time it may be.
func (q *quest) putOff(of *x509.Certificate) {
	q.down = cmp.Or(q.down, fmt.Sprintf("the issuer of %q was not asked for: too many servers were, for certificates beside it", name(of)))
}

// learn takes an answer in. What it brings comes before what others sent.
func (q *quest) learn(of *x509.Certificate, answer Issuers) bool {
	if q.pending == nil {
		q.pending = answer.Pending
	}
	if answer.Down && q.down == "" {
		q.down = fmt.Sprintf("the issuer of %q could not be fetched: %s", name(of), cmp.Or(answer.Detail, "its server does not answer"))
	}
	var news []*x509.Certificate
	for i, c := range answer.Certificates {
		if i == maxIssuers {
			break
		}
		if c == nil || oversized(c) || q.knows(c) || slices.ContainsFunc(news, c.Equal) {
			continue
		}
		q.keep(c, answer.Sources)
		q.came(c, answer.Sources)
		news = append(news, c)
	}
	q.others = slices.Concat(news, q.others)
	if len(news) > 0 {
		q.more()
		return true
	}
	if !answer.Down && answer.Pending == nil && q.missed == "" {
		q.missed = fmt.Sprintf("the issuer of %q: %s", name(of), cmp.Or(answer.Detail, "what its addresses lead to is of no use"))
	}
	return false
}

// came notes where a certificate was fetched from.
func (q *quest) came(c *x509.Certificate, from []string) {
	if q.from == nil {
		q.from = make(map[Fingerprint][]string)
	}
	q.from[q.print(c)] = from
}

// IssuedBy reports whether issuer has the name of cert's issuer and its key
// signed cert. Whether it may is not asked.
func IssuedBy(cert, issuer *x509.Certificate) bool {
	return !oversized(issuer) && SameName(cert.RawIssuer, issuer.RawSubject) &&
		issuer.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

func (q *quest) knows(cert *x509.Certificate) bool {
	return slices.ContainsFunc(q.others, cert.Equal) || cert.Equal(q.p.Certificate)
}

// origins returns where the fetched certificates of a path came from.
func (q *quest) origins(path []*x509.Certificate) []string {
	var urls []string
	for _, c := range path {
		for _, u := range q.from[q.print(c)] {
			if !slices.Contains(urls, u) {
				urls = append(urls, u)
			}
		}
	}
	return urls
}
