package discovery

import (
	"crypto/x509"
	"time"
)

// A resultCache keeps what directories and URLs gave.
type resultCache = cache[resultKey, *lookupResult, *search]

// A keptResult is what directories or a URL gave, as it survives a restart.
type keptResult struct {
	resultKey
	Query, Server  string // of the step that found it
	Certificates   [][]byte
	Unreadable     int `json:",omitempty"`
	Asked, Expires time.Time
}

// snapshotResults returns the results that have certificates and time left, the
// last used first.
func snapshotResults(c *resultCache) []keptResult { return keptResults(c.all()) }

func keptResults(results []*lookupResult) []keptResult {
	var all []keptResult
	for _, r := range results {
		if len(r.found.list) == 0 {
			continue
		}
		step := r.steps[len(r.steps)-1]
		k := keptResult{resultKey: r.resultKey, Query: step.Query, Server: step.Server, Unreadable: r.found.bad,
			Asked: r.asked, Expires: r.expires}
		for _, cert := range r.found.list {
			k.Certificates = append(k.Certificates, cert.Raw)
		}
		all = append(all, k)
	}
	return all
}

// restoreResults takes back what snapshotResults returned, and returns those that
// it kept: what is damaged, too old or from the future is left out.
func restoreResults(c *resultCache, all []keptResult) []*lookupResult {
	now := c.now()
	var results []*lookupResult
	for _, k := range all[:min(len(all), maxResults)] {
		r, ok := k.result()
		if ok && r.goodAt(now) {
			results = append(results, r)
		}
	}
	c.putAll(results)
	return results
}

// result reads what was kept; the bounds on its time hold as when it was found.
func (k *keptResult) result() (*lookupResult, bool) {
	asked := k.Asked.Round(0)
	r := &lookupResult{resultKey: k.resultKey, lifetime: lifetime{asked: asked}}
	if !k.wellFormed() {
		return nil, false
	}
	for _, der := range k.Certificates {
		if len(der) > MaxCertificate {
			return nil, false
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, false
		}
		r.found.list = append(r.found.list, cert)
	}
	r.found.bad = k.Unreadable
	r.steps = []Step{{Query: k.Query, Server: k.Server, Answer: AnswerFound, Outcome: r.found.String(), Certificates: len(r.found.list)}}
	r.expires = asked.Add(min(k.Expires.Sub(k.Asked), keepFound, r.found.inDate(asked)))
	return r, true
}

func (k *keptResult) wellFormed() bool {
	for _, text := range []string{k.Name, k.For, k.Query, k.Server} {
		if len(text) > maxKeptText {
			return false
		}
	}
	return (k.Kind == ofDirectories || k.Kind == ofDocument) && len(k.Certificates) > 0 && len(k.Certificates) <= MaxCertificates &&
		k.Unreadable >= 0 && k.Unreadable <= MaxCertificates
}
