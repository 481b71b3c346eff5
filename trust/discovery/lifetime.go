package discovery

import (
	"time"

	"github.com/miekg/dns"
)

// How long answers are kept at most.
const (
	maxLife      = time.Hour
	negativeLife = 5 * time.Minute  // RFC 2308 §5 allows hours; ours is for those who have just published
	vagueLife    = 5 * time.Second  // of a negative answer that does not say for how long
	failureLife  = 30 * time.Second // RFC 2308 §7.1: at most five minutes
)

// A lifetime says when something was asked for, and until when it may be used
// without asking again; zero is not at all.
type lifetime struct{ asked, expires time.Time }

func (l lifetime) span() lifetime { return l }

// goodAt reports whether it may be used. What is said to have been asked for in
// the future may not: the clock was set back, and nobody knows how old it is.
func (l lifetime) goodAt(now time.Time) bool { return !l.asked.After(now) && now.Before(l.expires) }

// ttlOf returns the time to live of a record. One with the top bit set is none
// (RFC 2181 §8).
func ttlOf(rr dns.RR) time.Duration {
	ttl := rr.Header().Ttl
	if ttl > 1<<31-1 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

func leastTTL(records []dns.RR) time.Duration {
	life := maxLife
	for _, rr := range records {
		life = min(life, ttlOf(rr))
	}
	return life
}

// negativeTTL returns how long it holds that there is nothing at name, by the
// SOA in the authority section (RFC 2308 §5), and whose SOA that is.
func negativeTTL(authority []dns.RR, name string) (time.Duration, string) {
	for _, rr := range authority {
		soa, ok := rr.(*dns.SOA)
		if ok && soa.Hdr.Class == dns.ClassINET && inZone(name, soa.Hdr.Name) {
			minimum := ttlOf(&dns.SOA{Hdr: dns.RR_Header{Ttl: soa.Minttl}})
			return min(ttlOf(rr), minimum, negativeLife), soa.Hdr.Name
		}
	}
	return vagueLife, ""
}

// lifeOf returns how long a finding may be kept from now on. Certificates are
// found anew when the first of them ends that has not ended yet (CD-12), since
// by then its successor should be there.
func lifeOf(f *finding, now time.Time) time.Duration {
	life := f.life
	for _, c := range certificatesIn(certRecords(answer{records: f.records})).list {
		if c.NotAfter.After(now) {
			life = min(life, c.NotAfter.Sub(now))
		}
	}
	return life
}
