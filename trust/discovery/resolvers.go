package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

const (
	unresponsiveFor = time.Minute
	maxUnresponsive = 1000 // servers that are remembered
)

var errReferral = errors.New("it does no recursion, and refers us elsewhere")

// ask puts one question to the resolvers until one gives an answer: NOERROR or
// NXDOMAIN. It returns the server as well. All are asked before any is asked
// again, tries times each.
func (l *lookup) ask(ctx context.Context, name string, qtype uint16, tries int) (*dns.Msg, string, *failure) {
	failed := &failure{kind: AnswerNotAsked}
	for range tries {
		for _, addr := range l.dns.order() {
			m, err := l.listen(ctx, target{addr: addr}, name, qtype)
			if err == nil && isReferral(m) {
				err = errReferral
			}
			if err == nil {
				return m, addr.String(), nil
			}
			failed.add(addr.String(), err)
			if ctx.Err() != nil || l.spent() {
				failed.err = fmt.Errorf("%w: %w", ErrServer, failed.err)
				return nil, addr.String(), failed
			}
		}
		l.allFailed = true
	}
	if failed.err == nil {
		failed.err = errors.New("there is none")
	}
	failed.err = fmt.Errorf("%w: %w", ErrServer, failed.err)
	return nil, l.trail.server(), failed
}

// listen is try, with a memory for servers that say nothing.
func (l *lookup) listen(ctx context.Context, to target, name string, qtype uint16) (*dns.Msg, error) {
	m, err := l.try(ctx, to, name, qtype)
	if ctx.Err() != nil {
		return m, err // our own time was over, and theirs perhaps not
	}
	now := l.dns.now()
	l.dns.mu.Lock()
	defer l.dns.mu.Unlock()
	if err != nil && kindOf(err) == AnswerTimeout {
		l.dns.unresponsiveOf(to.own).add(to.addr, now)
	} else {
		l.dns.unresponsiveOf(to.own).remove(to.addr)
	}
	return m, err
}

// order returns the resolvers in an order that starts anywhere, but those that
// said nothing of late come last.
func (d *DNS) order() []netip.AddrPort {
	if len(d.servers) == 0 {
		return nil
	}
	start := rand.IntN(len(d.servers))
	return d.unresponsiveLast(slices.Concat(d.servers[start:], d.servers[:start]), false)
}

func (d *DNS) unresponsiveLast(servers []netip.AddrPort, own bool) []netip.AddrPort {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.unresponsiveOf(own)
	slices.SortStableFunc(servers, func(a, b netip.AddrPort) int { return q.rank(a, now) - q.rank(b, now) })
	return servers
}

// unresponsiveOf keeps the domains' own servers apart: strangers name those, and shall
// not make us forget, or believe, anything about ours.
func (d *DNS) unresponsiveOf(own bool) *unresponsive {
	if own {
		return &d.unresponsiveOwn
	}
	return &d.unresponsive
}

// An unresponsive remembers when servers let a question go unanswered.
type unresponsive struct {
	since map[netip.AddrPort]time.Time
}

func (q *unresponsive) add(server netip.AddrPort, now time.Time) {
	if q.since == nil {
		q.since = make(map[netip.AddrPort]time.Time)
	}
	if len(q.since) >= maxUnresponsive {
		clear(q.since) // it only saves time, and a minute later all would be old
	}
	q.since[server] = now
}

func (q *unresponsive) remove(server netip.AddrPort) { delete(q.since, server) }

// rank is 1 for a server that was silent within unresponsiveFor, otherwise 0.
func (q *unresponsive) rank(server netip.AddrPort, now time.Time) int {
	since, ok := q.since[server]
	age := now.Sub(since)
	if ok && 0 <= age && age < unresponsiveFor {
		return 1
	}
	return 0
}

// isReferral reports an answer without an answer that names other servers. One
// that says there is no such record has an SOA, or nothing (RFC 2308 §2.2).
func isReferral(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 {
		return false
	}
	refers := false
	for _, rr := range m.Ns {
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			return false
		case dns.TypeNS:
			refers = true
		}
	}
	return refers
}
