package discovery

import (
	"context"
	"errors"
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
	// questions is how many went to the network for it; 0 if it is cached.
	questions int
	// authoritative says that one of the domain's own servers answered, because
	// no resolver did.
	authoritative bool
}

// query asks for records of one type at an absolute name (CD-7) and follows
// aliases (CD-8). Its errors are *DNSError.
func (d *DNS) query(ctx context.Context, name string, qtype uint16, fresh bool) (answer, error) {
	fail := func(server string, err error) (answer, error) {
		kind := kindOf(err)
		return answer{server: server, kind: kind},
			&DNSError{Name: name, Type: dns.TypeToString[qtype], Server: server, Kind: kind, Err: err}
	}
	at := dns.Fqdn(name)
	if wireName(at) == "" {
		return fail("", fmt.Errorf("%w: it cannot be a DNS name", ErrNoName))
	}
	hops := 0
	for {
		m, server, err := d.ask(ctx, at, qtype)
		if err != nil {
			return fail(server, err)
		}
		end, n := chase(m.Answer, at, qtype)
		hops += n
		if hops > maxCNAMEs {
			return fail(server, errors.New("the chain of aliases does not end"))
		}
		records := recordsAt(m.Answer, end, qtype)
		if len(records) > 0 {
			return answer{records: records, kind: AnswerFound, server: server, questions: 1}, nil
		}
		if m.Rcode == dns.RcodeNameError {
			return fail(server, ErrNoName) // RFC 6604 §3: said of the end of the chain
		}
		if n == 0 {
			return fail(server, ErrNoData)
		}
		at = end
	}
}

// chase follows the aliases within one answer from name. It returns where they
// end and how many there were, one more than maxCNAMEs at most.
func chase(records []dns.RR, name string, qtype uint16) (string, int) {
	for hops := 0; ; hops++ {
		next := recordsAt(records, name, dns.TypeCNAME)
		if len(next) == 0 || qtype == dns.TypeCNAME || hops > maxCNAMEs {
			return name, hops
		}
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
