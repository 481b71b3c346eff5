package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Bounds on one look-up.
const (
	maxQuestions = 40  // to the network, whatever strangers have us do
	maxRecords   = 256 // of one answer that are kept
	// resolverShare is how long the resolvers may take over a CERT question, of
	// inquiryTimeout, so that there is time left for the domain's own servers.
	resolverShare = 6 * time.Second
)

var (
	errTooMany  = fmt.Errorf("%d questions have led to no answer", maxQuestions)
	errNoEnd    = errors.New("the chain of aliases does not end")
	errNotAName = fmt.Errorf("%w: it cannot be a DNS name", ErrNoName)
)

// A finding is what the servers said to a question, all aliases followed.
type finding struct {
	records       []dns.RR // of the type asked for; none if err is set
	kind          Answer
	server        string        // the one that answered, or was asked last
	authoritative bool          // it is one of the domain's own
	life          time.Duration // for which it may be kept
	zone          string        // the apex of the zone that says there is nothing, or ""
	err           error         // why there are no records
}

// final reports an answer, be it that there is nothing.
func (f *finding) final() bool {
	return f.kind == AnswerFound || f.kind == AnswerNoName || f.kind == AnswerNoRecord
}

// A reply is one server's answer to one question.
type reply struct {
	*dns.Msg
	server string
	zone   string // the zone it speaks for, if it is that zone's own server
}

// An asker puts one question to the servers of its kind.
type asker func(ctx context.Context, name string, qtype uint16) (reply, *failure)

// A lookup is the work on one question. Only its trail may be read while it goes
// on.
type lookup struct {
	dns   *DNS
	key   dnsKey
	name  string // of key, in text
	trail trail
	// allFailed says that every resolver has been asked, and none has answered.
	allFailed bool
}

func (l *lookup) spent() bool { return l.trail.len() >= maxQuestions }

// run finds the records of one type at an absolute name (CD-7). What strangers
// send is read here: the last net under the libraries is that a panic is a failure
// of this one question.
func (l *lookup) run(ctx context.Context) (e *entry) {
	asked := l.dns.now()
	defer func() {
		if r := recover(); r != nil {
			e = newEntry(l.key, finding{kind: AnswerBroken, server: l.trail.server(), life: failureLife,
				err: fmt.Errorf("%w: %v", errUnreadable, r)}, asked)
		}
		if !e.final() && !errors.Is(ctx.Err(), context.Canceled) {
			l.dns.counts.failures.Add(1)
		}
		if e.authoritative {
			l.dns.counts.authoritative.Add(1)
		}
	}()
	// For a CERT the domain's own servers may be asked; for all else, the resolvers
	// alone.
	ask := l.askResolvers
	if l.key.qtype == dns.TypeCERT {
		ask = l.askAnyone
	}
	return newEntry(l.key, l.follow(ctx, l.name, l.key.qtype, ask), asked)
}

// conclusive reports whether e says something of the servers: a failure because
// nobody waited does not, unless all of them had their turn.
func (l *lookup) conclusive(e *entry) bool { return e.final() || l.allFailed }

func (l *lookup) askResolvers(ctx context.Context, name string, qtype uint16) (reply, *failure) {
	m, server, failed := l.ask(ctx, name, qtype, l.dns.tries())
	return reply{Msg: m, server: server}, failed
}

// askOnce is askResolvers without a second try: for what only helps, while time
// is short.
func (l *lookup) askOnce(ctx context.Context, name string, qtype uint16) (reply, *failure) {
	m, server, failed := l.ask(ctx, name, qtype, 1)
	return reply{Msg: m, server: server}, failed
}

// askAnyone asks the domain's own servers where the resolvers have no answer
// (CD-8, CP-12).
func (l *lookup) askAnyone(ctx context.Context, name string, qtype uint16) (reply, *failure) {
	share, cancel := context.WithTimeout(ctx, resolverShare)
	r, failed := l.askResolvers(share, name, qtype)
	cancel()
	if failed == nil || ctx.Err() != nil {
		return r, failed
	}
	own, err := l.askOwn(ctx, name, qtype)
	if err != nil {
		failed.err = fmt.Errorf("%w; asking the domain's own servers: %w", failed.err, err)
		return r, failed
	}
	return own, nil
}

// follow asks, and follows aliases to other names (CD-8).
func (l *lookup) follow(ctx context.Context, name string, qtype uint16, ask asker) finding {
	at, hops, life := name, 0, maxLife
	for {
		r, failed := ask(ctx, at, qtype)
		if failed != nil {
			return finding{kind: failed.kind, server: r.server, err: failed.err, life: failureLife}
		}
		end, n, ttl := chase(r.answers(), at, qtype)
		hops, life = hops+n, min(life, ttl)
		if hops > maxCNAMEs {
			return finding{kind: AnswerBroken, server: r.server, err: errNoEnd, life: failureLife}
		}
		f, done := r.at(end, qtype, n == 0)
		if done {
			f.life = min(f.life, life)
			return f
		}
		at = end
	}
}

// at reads what the reply says of name, which is the one asked for or the end of
// its aliases. If it says nothing, name is to be asked for itself.
func (r reply) at(name string, qtype uint16, asked bool) (finding, bool) {
	f := finding{server: r.server, authoritative: r.zone != "", kind: AnswerFound}
	records := recordsAt(r.answers(), name, qtype)
	if len(records) > 0 {
		// A copy, since what is cut off would else live as long as what is kept.
		f.records = slices.Clone(records[:min(len(records), maxRecords)])
		f.life = leastTTL(f.records)
		return f, true
	}
	if !r.speaksFor(name) {
		return f, false
	}
	f.life, f.zone = negativeTTL(r.Ns, name)
	switch {
	case r.Rcode == dns.RcodeNameError: // RFC 6604 §3: said of the end of the chain
		f.kind, f.err = AnswerNoName, ErrNoName
	case asked || f.zone != "": // RFC 2308 §2.2
		f.kind, f.err = AnswerNoRecord, ErrNoData
	default:
		return f, false
	}
	return f, true
}

// speaksFor reports whether the server may be asked about name: a resolver about
// all, a domain's own server about its zone.
func (r reply) speaksFor(name string) bool { return r.zone == "" || inZone(name, r.zone) }

// answers returns the records of the answer that the server may speak about.
func (r reply) answers() []dns.RR {
	if r.zone == "" {
		return r.Answer
	}
	var all []dns.RR
	for _, rr := range r.Answer {
		if r.speaksFor(rr.Header().Name) {
			all = append(all, rr)
		}
	}
	return all
}

// chase follows the aliases within one answer from name. It returns where they
// end, how many there were, one more than maxCNAMEs at most, and the least of
// their times to live.
func chase(records []dns.RR, name string, qtype uint16) (string, int, time.Duration) {
	life := maxLife
	for hops := 0; ; hops++ {
		next := recordsAt(records, name, dns.TypeCNAME)
		if len(next) == 0 || qtype == dns.TypeCNAME || hops > maxCNAMEs {
			return name, hops, life
		}
		life = min(life, ttlOf(next[0]))
		name = next[0].(*dns.CNAME).Target
	}
}

func recordsAt(records []dns.RR, name string, qtype uint16) []dns.RR {
	var found []dns.RR
	want := wireName(name)
	if want == "" {
		return nil
	}
	for _, rr := range records {
		h := rr.Header()
		if h.Rrtype == qtype && h.Class == dns.ClassINET && wireName(h.Name) == want {
			found = append(found, rr)
		}
	}
	return found
}
