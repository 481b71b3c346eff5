package gateway

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"postern/internal/metrics"
)

// newMetrics makes the server of the metrics.
func (g *Gateway) newMetrics() (server, error) {
	r := metrics.New()
	all := slices.Concat(g.bundleSeries(), g.findSeries(), g.namedSeries(), g.directorySeries())
	for _, s := range all {
		err := r.Add(s)
		if err != nil {
			return nil, fmt.Errorf("the metric %s: %w", s.Name, err)
		}
	}
	return newHTTP(r.Handler(), g.Log), nil
}

// counted is a Series of one number that only grows.
func counted(name, help string, read func() uint64) metrics.Series {
	return metrics.Series{Name: name, Help: help, Kind: metrics.Counter, Read: func() []metrics.Sample {
		return metrics.One(float64(read()))
	}}
}

// bundleSeries tells how fresh the trust bundles are (TB-14).
func (g *Gateway) bundleSeries() []metrics.Series {
	each := func(value func(BundleHealth) float64) func() []metrics.Sample {
		return func() []metrics.Sample {
			all, err := g.BundleReport(context.Background())
			if err != nil {
				g.Log.Warn("the state of the bundles cannot be read", "err", err)
				return nil
			}
			var samples []metrics.Sample
			for _, b := range all {
				samples = append(samples, metrics.Sample{Labels: []string{b.Name}, Value: value(b)})
			}
			return samples
		}
	}
	labels := []string{"bundle"}
	return []metrics.Series{
		{Name: "bundle_age_seconds", Labels: labels, Read: each(func(b BundleHealth) float64 { return b.Age.Seconds() }),
			Help: "Since the last good refresh of a trust bundle; since it was added, if there was none."},
		{Name: "bundle_failing_seconds", Labels: labels, Read: each(func(b BundleHealth) float64 { return g.since(b.State.FailedSince) }),
			Help: "Since when refreshes of a trust bundle fail; 0 if the last one was good."},
		{Name: "bundle_stale", Labels: labels, Read: each(func(b BundleHealth) float64 { return oneIf(b.Stale) }),
			Help: "1 if a trust bundle is so old that somebody has to look."},
		{Name: "bundle_anchors", Labels: labels, Read: each(func(b BundleHealth) float64 { return float64(b.State.Anchors) }),
			Help: "Anchors of a trust bundle."},
	}
}

// since is how many seconds ago a time was; never is 0.
func (g *Gateway) since(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return g.Now().Sub(t).Seconds()
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// findSeries tells what looking for others' certificates takes.
func (g *Gateway) findSeries() []metrics.Series {
	if g.found == nil {
		return nil
	}
	return []metrics.Series{
		{Name: "lookups_total", Help: "Searches for the certificates of an address, by outcome.", Kind: metrics.Counter,
			Labels: []string{"outcome"}, Read: func() []metrics.Sample {
				s := g.found.Stats()
				return []metrics.Sample{
					{Labels: []string{"found"}, Value: float64(s.Found)},
					{Labels: []string{"none"}, Value: float64(s.None)},
					{Labels: []string{"later"}, Value: float64(s.Later)},
				}
			}},
		counted("lookup_questions_total", "Questions that searches put to the network.", func() uint64 { return g.found.Stats().Questions }),
		counted("lookups_cached_total", "Searches that used what earlier ones had found.", func() uint64 { return g.found.Stats().Cached }),
		counted("lookups_spared_total", "Searches not made because the domain's servers were silent a moment ago.", func() uint64 { return g.found.Stats().Spared }),
		counted("dns_questions_total", "Questions to DNS servers, for mail servers too.", func() uint64 { return g.dns.Stats().Questions }),
		counted("dns_hits_total", "Questions to DNS that were answered from what is kept.", func() uint64 { return g.dns.Stats().Hits }),
		counted("dns_failures_total", "Questions to DNS that nobody answered.", func() uint64 { return g.dns.Stats().Failures }),
	}
}

// namedSeries tells what the name server does.
func (g *Gateway) namedSeries() []metrics.Series {
	read := func(value func() uint64) func() uint64 {
		return func() uint64 {
			if g.named == nil {
				return 0
			}
			return value()
		}
	}
	return []metrics.Series{
		{Name: "named_answers_total", Help: "Answers of the name server, by their code.", Kind: metrics.Counter,
			Labels: []string{"code"}, Read: func() []metrics.Sample {
				if g.named == nil {
					return nil
				}
				answers := g.named.Stats().Answers
				var samples []metrics.Sample
				for _, code := range slices.Sorted(maps.Keys(answers)) {
					samples = append(samples, metrics.Sample{Labels: []string{code}, Value: float64(answers[code])})
				}
				return samples
			}},
		counted("named_limited_total", "Answers of the name server cut off by publish.rate.", read(func() uint64 { return g.named.Stats().Limited })),
		counted("named_tcp_total", "Questions to the name server over TCP.", read(func() uint64 { return g.named.Stats().TCP })),
	}
}

// directorySeries tells what the LDAP server does.
func (g *Gateway) directorySeries() []metrics.Series {
	if g.directory == nil {
		return nil
	}
	return []metrics.Series{
		counted("ldapd_requests_total", "Requests to the LDAP server.", func() uint64 { return g.directory.Stats().Requests }),
		counted("ldapd_entries_total", "Entries that the LDAP server sent.", func() uint64 { return g.directory.Stats().Entries }),
		counted("ldapd_limited_total", "Requests that the LDAP server put off for their number.", func() uint64 { return g.directory.Stats().Limited }),
		counted("ldapd_malformed_total", "Connections that the LDAP server ended for what was sent.", func() uint64 { return g.directory.Stats().Malformed }),
	}
}
