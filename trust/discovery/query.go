package discovery

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// An answer is what a look-up gave: at least one record of the type asked for,
// or none beside an error. The records are shared and must not be changed.
type answer struct {
	records []dns.RR
	kind    Answer
	server  string // the one that answered, or was asked last
	// cached says that the answer was kept from an earlier question, age ago.
	cached bool
	age    time.Duration
	// left is how long the answer may be used without asking again.
	left time.Duration
	// trail is the questions that went to the network for it; none if it is cached.
	// What several callers waited for counts for each.
	trail []Question
	// authoritative says that one of the domain's own servers answered, because
	// no resolver did.
	authoritative bool
}

// query returns the records of one type at an absolute name: those that are
// kept, unless they shall be fresh, or those that the servers have. Its errors
// are *DNSError.
func (d *DNS) query(ctx context.Context, name string, qtype uint16, fresh bool) (answer, error) {
	at := dns.Fqdn(name)
	key := inquiryKey{cacheKey{wireName(at), qtype}, fresh}
	if key.name == "" {
		return nothing(answer{kind: AnswerNotAsked}, name, qtype, errNotAName)
	}
	kept, f, err := d.find(ctx, at, key)
	if err != nil {
		return nothing(answer{kind: AnswerNotAsked}, name, qtype, err)
	}
	if kept != nil {
		return kept.answer(name, d.now(), nil)
	}
	select {
	case <-f.done:
		return f.entry.answer(name, d.now(), f)
	case <-ctx.Done():
		d.leave(f)
		a := answer{kind: AnswerTimeout, server: f.trail.server(), trail: f.trail.all()}
		return nothing(a, name, qtype, fmt.Errorf("%w: %w", ErrServer, ctx.Err()))
	}
}

// knows reports whether the answer to a question is kept.
func (d *DNS) knows(name string, qtype uint16) bool {
	key := cacheKey{wireName(name), qtype}
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cache.get(key, now) != nil
}

// find returns what is kept, or else the inquiry to wait for.
func (d *DNS) find(ctx context.Context, name string, key inquiryKey) (*entry, *inquiry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !key.fresh {
		kept := d.cache.get(key.cacheKey, d.now())
		if kept != nil {
			d.counts.hits.Add(1)
			return kept, nil, nil
		}
	}
	if ctx.Err() != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrServer, ctx.Err())
	}
	f, err := d.join(name, key)
	return nil, f, err
}

// answer is the entry as an answer to a question for name: of inquiry f that has
// just ended, or kept if f is nil.
func (e *entry) answer(name string, now time.Time, f *inquiry) (answer, error) {
	a := answer{records: e.records, kind: e.kind, server: e.server, authoritative: e.authoritative}
	a.left = max(e.expires.Sub(now), 0)
	if f == nil {
		a.cached, a.age = true, now.Sub(e.asked)
	} else {
		a.trail = f.trail.all()
	}
	if e.err != nil {
		return nothing(a, name, e.qtype, e.err)
	}
	return a, nil
}

func nothing(a answer, name string, qtype uint16, err error) (answer, error) {
	return a, &DNSError{Name: name, Type: dns.TypeToString[qtype], Server: a.server, Kind: a.kind, Err: err}
}
