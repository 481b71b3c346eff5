package discovery

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/trust/reason"
)

// CertIPKIX is the CERT type of a URL at which there is an X.509 certificate
// (RFC 4398 §2.1).
const CertIPKIX = 4

// Bounds on certificates by URL.
const (
	maxURLs    = 4
	urlTime    = 10 * time.Second
	urlConnect = 3 * time.Second
)

// urlsOf returns the distinct URLs of CERT records (CD-4), each as it stands
// there: fetch judges it.
func urlsOf(records []CERT) []string {
	var urls []string
	for _, r := range records {
		u := string(bytes.TrimRight(r.Data, "\x00"))
		if r.Type == CertIPKIX && len(urls) < maxURLs && !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// fetch gets the certificates that a domain publishes by URL, side by side. The
// domain has published something, so that the search ends here whatever comes of
// it: if a URL that is dead made it go on, whoever can keep a server from
// answering would choose the next source for us (CD-41).
//
// What comes is kept for the name alone that the URL is at: others may name the
// same URL, and for longer.
func (f *finder) fetch(ctx context.Context, source Source, name string, urls []string, left time.Duration) {
	type outcome struct {
		*lookupResult
		by *search
		error
	}
	outcomes := make([]outcome, len(urls))
	var all sync.WaitGroup
	for i, u := range urls {
		all.Go(func() {
			o := &outcomes[i]
			job := &search{f.Resolver, resultKey{ofDocument, strings.ToLower(name), u},
				func(ctx context.Context, r *lookupResult) { f.document(ctx, u, left, r) }}
			o.lookupResult, o.by, o.error = f.results.get(ctx, job.resultKey, f.fresh, urlTime, job)
		})
	}
	all.Wait()
	for i, o := range outcomes {
		if o.error != nil {
			f.notAsked(source, reason.Line(urls[i], maxName), "no server answered in time", o.error)
			continue
		}
		f.replay(o.lookupResult, o.by == nil, source, "the search ends here: the domain's certificate is where nobody can get it (CD-41)")
		if !o.found.any() && o.temporary == nil {
			f.spoil(o.steps[len(o.steps)-1])
		}
	}
}

// document fetches one certificate.
func (r *Resolver) document(ctx context.Context, url string, left time.Duration, into *lookupResult) {
	step := Step{Query: cmp.Or(reason.Line(url, maxName), "an empty URL"), Answer: AnswerFound}
	began := time.Now()
	d, err := r.fetcher().Do(ctx, fetch.Request{URL: url, Accept: "application/pkix-cert", Limit: MaxCertificate, Connect: urlConnect})
	step.Duration = time.Since(began)
	if u, bad := fetch.Parse(url); bad == nil {
		step.Server = u.Host
	}
	keep := min(left, keepFound)
	switch {
	case err != nil:
		keep = keepFailure
		step.Answer, step.Err = fetchAnswer(ctx, err), err
		step.Outcome = "failed: " + reason.Line(err.Error(), maxOutcome)
		if fetch.Temporary(err) || ctx.Err() != nil {
			into.temporary = err
		}
	default:
		bad := into.found.addDocument(d.Body)
		step.Outcome = into.found.String()
		if bad != nil {
			step.Outcome += ": " + reason.Line(bad.Error(), maxOutcome)
			keep = min(keep, keepNothing)
		}
		keep = min(keep, into.found.inDate(into.asked))
		if !d.Expires.IsZero() {
			keep = min(keep, d.Expires.Sub(into.asked))
		}
	}
	step.Certificates = len(into.found.list)
	step.Questions = []Question{{Server: step.Server, Query: "GET " + step.Query, Answer: step.Answer, Duration: step.Duration}}
	if step.Err != nil {
		step.Questions[0].Detail = reason.Line(step.Err.Error(), maxDetail)
	}
	into.steps, into.expires = []Step{step}, into.asked.Add(keep)
}

func (r *Resolver) fetcher() Fetcher {
	if r.Fetcher != nil {
		return r.Fetcher
	}
	return &fetch.Client{Network: r.Network, Lookup: r.DNS.LookupHost, Now: r.Now}
}

// addDocument reads a document of one certificate: DER, or a form of it that web
// servers are known to have instead.
func (f *certificates) addDocument(body []byte) error {
	cert, err := documentOf(body)
	if err != nil {
		f.bad++
		return err
	}
	f.list = append(f.list, cert)
	return nil
}

func documentOf(body []byte) (*x509.Certificate, error) {
	cert, err := x509.ParseCertificate(body)
	if err == nil {
		return cert, nil
	}
	certs, bad, err := bundle.Read(body)
	switch {
	case err != nil:
		return nil, err
	case len(certs) != 1 || len(bad) > 0:
		return nil, fmt.Errorf("it holds %d certificates and not one", len(certs)+len(bad))
	}
	return certs[0], nil
}

// fetchAnswer tells what kind of answer err is.
func fetchAnswer(ctx context.Context, err error) Answer {
	var status *fetch.StatusError
	var lookup *DNSError
	switch {
	case errors.Is(err, guard.ErrForbidden):
		return AnswerForbidden
	case errors.Is(err, fetch.ErrURL):
		return AnswerNotAsked
	case errors.As(err, &status):
		if status.Code >= 500 {
			return AnswerServFail
		}
		return AnswerRefused
	case errors.As(err, &lookup):
		if !lookup.Temporary() {
			return AnswerUnreachable
		}
		return lookup.Kind
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return AnswerTimeout
	case errors.Is(err, fetch.ErrUnanswered), errors.Is(err, fetch.ErrNoHost):
		return AnswerUnreachable
	}
	return AnswerBroken
}
