package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"postern/internal/metrics"
	"postern/internal/publish/ldapd"
	"postern/internal/publish/named"
	"postern/trust/discovery"
)

// newMetrics makes the server of the metrics. It is made last: what has no server
// has no series.
func (g *Gateway) newMetrics() (server, error) {
	r := metrics.New()
	err := errors.Join(g.addBundles(r), g.addTLS(r), g.addLimits(r), g.addLookups(r), g.addNamed(r), g.addDirectory(r), g.addQueue(r), g.addCare(r), g.addNotify(r), g.addHooks(r))
	if err != nil {
		return nil, err
	}
	return newHTTP(r.Handler(), g.Log), nil
}

// A bundleReading is the state of the trust bundles at one moment.
type bundleReading struct {
	at  time.Time
	all []BundleHealth
}

// addBundles tells how fresh the trust bundles are (TB-14).
func (g *Gateway) addBundles(r *metrics.Registry) error {
	read := func() bundleReading {
		all, err := g.BundleReport(context.Background())
		if err != nil {
			g.Log.Warn("the state of the bundles cannot be read", "err", err)
		}
		return bundleReading{g.Now(), all}
	}
	gauge := func(name, help string, value func(h BundleHealth, at time.Time) float64) metrics.Series[bundleReading] {
		return metrics.Series[bundleReading]{Name: name, Help: help, Labels: []string{"bundle"}, Samples: func(r bundleReading) []metrics.Sample {
			var samples []metrics.Sample
			for _, h := range r.all {
				samples = append(samples, metrics.Sample{Labels: []string{h.Name}, Value: value(h, r.at)})
			}
			return samples
		}}
	}
	return metrics.Add(r, read,
		gauge("bundle_age_seconds", "Since the last good refresh of a trust bundle; since it was added, if there was none.",
			func(h BundleHealth, _ time.Time) float64 { return h.Age.Seconds() }),
		gauge("bundle_failing_seconds", "Since when refreshes of a trust bundle fail; 0 if the last one was good.",
			func(h BundleHealth, at time.Time) float64 { return secondsSince(h.State.FailedSince, at) }),
		gauge("bundle_stale", "1 if a trust bundle is so old that somebody has to look.",
			func(h BundleHealth, _ time.Time) float64 { return oneIf(h.Stale) }),
		gauge("bundle_anchors", "Anchors of a trust bundle.",
			func(h BundleHealth, _ time.Time) float64 { return float64(h.State.Anchors) }),
	)
}

// secondsSince is how many seconds ago a time was; never is 0.
func secondsSince(t, now time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return now.Sub(t).Seconds()
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// addLookups tells what looking for others' certificates takes.
func (g *Gateway) addLookups(r *metrics.Registry) error {
	if g.found == nil {
		return nil
	}
	type stats = discovery.FindStats
	return errors.Join(
		metrics.Add(r, g.found.Stats,
			metrics.Series[stats]{Name: "lookups_total", Help: "Searches for the certificates of an address, by outcome.", Kind: metrics.Counter,
				Labels: []string{"outcome"}, Samples: func(s stats) []metrics.Sample {
					return []metrics.Sample{
						{Labels: []string{"found"}, Value: float64(s.Found)},
						{Labels: []string{"none"}, Value: float64(s.None)},
						{Labels: []string{"later"}, Value: float64(s.Later)},
					}
				}},
			metrics.Counts("lookup_questions_total", "Questions that searches put to the network.", func(s stats) uint64 { return s.Questions }),
			metrics.Counts("lookups_cached_total", "Searches that used what earlier ones had found.", func(s stats) uint64 { return s.Cached }),
			metrics.Counts("lookups_spared_total", "Searches not made because the domain's servers were silent a moment ago.", func(s stats) uint64 { return s.Spared }),
			metrics.Counts("directories_hits_total", "Searches of directories, and documents by URL, that were kept.", func(s stats) uint64 { return s.Hits }),
			metrics.Counts("directories_joined_total", "Searches of directories, and documents by URL, that waited for an equal one.", func(s stats) uint64 { return s.Joined }),
		),
		metrics.Add(r, g.dns.Stats,
			metrics.Counts("dns_questions_total", "Questions to DNS servers, for mail servers too.", func(s discovery.Stats) uint64 { return s.Questions }),
			metrics.Counts("dns_hits_total", "Questions to DNS that were answered from what is kept.", func(s discovery.Stats) uint64 { return s.Hits }),
			metrics.Counts("dns_failures_total", "Questions to DNS that nobody answered.", func(s discovery.Stats) uint64 { return s.Failures }),
			metrics.Counts("dns_joined_total", "Questions to DNS that waited for an equal one.", func(s discovery.Stats) uint64 { return s.Joined }),
			metrics.Counts("dns_authoritative_total", "Questions to DNS that a domain's own servers answered, as no resolver did.", func(s discovery.Stats) uint64 { return s.Authoritative }),
		),
	)
}

// addNamed tells what the name server does.
func (g *Gateway) addNamed(r *metrics.Registry) error {
	if g.named == nil {
		return nil
	}
	return metrics.Add(r, g.named.Stats,
		metrics.Series[named.Stats]{Name: "named_answers_total", Help: "Answers of the name server, by their code.", Kind: metrics.Counter,
			Labels: []string{"code"}, Samples: func(s named.Stats) []metrics.Sample {
				var samples []metrics.Sample
				for _, code := range slices.Sorted(maps.Keys(s.Answers)) {
					samples = append(samples, metrics.Sample{Labels: []string{code}, Value: float64(s.Answers[code])})
				}
				return samples
			}},
		metrics.Counts("named_limited_total", "Questions to the name server above a rate: truncated, dropped or hung up on.", func(s named.Stats) uint64 { return s.Limited }),
		metrics.Counts("named_tcp_total", "Questions to the name server over TCP.", func(s named.Stats) uint64 { return s.TCP }),
	)
}

// addDirectory tells what the LDAP server does.
func (g *Gateway) addDirectory(r *metrics.Registry) error {
	if g.directory == nil {
		return nil
	}
	return metrics.Add(r, g.directory.Stats,
		metrics.Counts("ldapd_requests_total", "Requests to the LDAP server.", func(s ldapd.Stats) uint64 { return s.Requests }),
		metrics.Counts("ldapd_entries_total", "Entries that the LDAP server sent.", func(s ldapd.Stats) uint64 { return s.Entries }),
		metrics.Counts("ldapd_limited_total", "Requests that the LDAP server put off for their number.", func(s ldapd.Stats) uint64 { return s.Limited }),
		metrics.Counts("ldapd_malformed_total", "Connections that the LDAP server ended for what was sent.", func(s ldapd.Stats) uint64 { return s.Malformed }),
	)
}
