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

// inquiryTimeout bounds a look-up, however long its callers would wait.
const inquiryTimeout = 10 * time.Second

// query returns the records of one type at an absolute name: those that are
// kept, unless they shall be fresh, or those that the servers have. Its errors
// are *DNSError.
func (d *DNS) query(ctx context.Context, name string, qtype uint16, fresh bool) (answer, error) {
	l := &lookup{dns: d, key: dnsKey{wireName(name), qtype}, name: dns.Fqdn(name)}
	if l.key.name == "" {
		return nothing(answer{kind: AnswerNotAsked}, name, qtype, errNotAName)
	}
	e, by, err := d.answers().get(ctx, l.key, fresh, inquiryTimeout, l)
	switch {
	case err == nil:
		return e.answer(name, d.now(), by)
	case by == nil:
		return nothing(answer{kind: AnswerNotAsked}, name, qtype, fmt.Errorf("%w: %w", ErrServer, err))
	}
	a := answer{kind: AnswerTimeout, server: by.trail.server(), trail: by.trail.all()}
	return nothing(a, name, qtype, fmt.Errorf("%w: %w", ErrServer, err))
}

// knows reports whether the answer to a question is kept.
func (d *DNS) knows(name string, qtype uint16) bool {
	_, ok := d.answers().peek(dnsKey{wireName(name), qtype})
	return ok
}

// answer is the entry as an answer to a question for name: of a look-up that has
// just ended, or kept if that is nil.
func (e *entry) answer(name string, now time.Time, by *lookup) (answer, error) {
	a := answer{records: e.records, kind: e.kind, server: e.server, authoritative: e.authoritative}
	a.left = max(e.expires.Sub(now), 0)
	if by == nil {
		a.cached, a.age = true, now.Sub(e.asked)
	} else {
		a.trail = by.trail.all()
	}
	if e.err != nil {
		return nothing(a, name, e.qtype, e.err)
	}
	return a, nil
}

func nothing(a answer, name string, qtype uint16, err error) (answer, error) {
	return a, &DNSError{Name: name, Type: dns.TypeToString[qtype], Server: a.server, Kind: a.kind, Err: err}
}
