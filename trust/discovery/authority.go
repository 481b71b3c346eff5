package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"

	"github.com/miekg/dns"
)

// Bounds on asking the domain's own servers.
const (
	maxClimbs      = 10 // names that are asked for their servers
	maxReferrals   = 4
	maxOwnServers  = 4 // of one zone
	maxOwnAddress  = 2 // of one server
	leastOwnLabels = 2 // of a zone: those with fewer are nobody's in particular
)

// A delegation is a zone and those who serve it.
type delegation struct {
	zone  string
	hosts []string
	glue  []dns.RR // addresses that came with it, of hosts inside of the zone
}

// askOwn puts a question to the servers of the domain that name is in, and to
// those they delegate it to (CD-8, CP-12). Who they are is for strangers to say:
// they are asked through the guard, and no oftener than the bounds above allow.
// What they answer is no less to be trusted than what resolvers do, since neither
// is trusted (CD-11): at worst it is a certificate that does not hold.
func (l *lookup) askOwn(ctx context.Context, name string, qtype uint16) (reply, error) {
	at, err := l.delegationOf(ctx, name)
	if err != nil {
		return reply{}, err
	}
	for range maxReferrals + 1 {
		r, failed := l.askZone(ctx, at, name, qtype)
		if failed != nil {
			return reply{}, failed.err
		}
		next, further := r.referral(name)
		if !further {
			return r, nil
		}
		at = next
	}
	return reply{}, fmt.Errorf("more than %d servers in turn refer us to others", maxReferrals)
}

// delegationOf finds the zone that name is in and its servers, from name upwards.
func (l *lookup) delegationOf(ctx context.Context, name string) (delegation, error) {
	at := name
	for range maxClimbs {
		if dns.CountLabel(at) < leastOwnLabels {
			break
		}
		f := l.sub(ctx, at, dns.TypeNS)
		hosts := hostsOf(f.records, at)
		if len(hosts) > 0 {
			return delegation{zone: at, hosts: hosts}, nil
		}
		if f.kind == AnswerTimeout || f.kind == AnswerUnreachable {
			return delegation{}, fmt.Errorf("finding them: %w", f.err) // the resolvers are away, and would be for the next name
		}
		up := parentName(at)
		if f.zone != "" && inZone(up, f.zone) {
			up = f.zone // a negative answer says which zone it is from
		}
		at = up
	}
	return delegation{}, errors.New("no name server is known for it")
}

// hostsOf returns the servers that NS records of exactly zone name, in an order
// that starts anywhere. Those at the end of an alias are of another zone.
func hostsOf(records []dns.RR, zone string) []string {
	var hosts []string
	for _, rr := range records {
		ns, ok := rr.(*dns.NS)
		if ok && sameName(ns.Hdr.Name, zone) {
			hosts = append(hosts, ns.Ns)
		}
	}
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	return hosts[:min(len(hosts), maxOwnServers)]
}

// sub asks the resolvers something that helps with the question, and keeps it
// like any other answer.
func (l *lookup) sub(ctx context.Context, name string, qtype uint16) finding {
	key := dnsKey{wireName(name), qtype}
	if key.name == "" {
		return finding{kind: AnswerNotAsked, err: errNotAName}
	}
	began := l.dns.now()
	kept, ok := l.dns.answers().peek(key)
	if ok {
		return kept.finding
	}
	f := l.follow(ctx, name, qtype, l.askOnce)
	if f.final() {
		l.dns.answers().put(newEntry(key, f, began))
	}
	return f
}

// askZone asks the servers of a zone until one answers for it, or refers us to
// those of a part of it that name is in.
func (l *lookup) askZone(ctx context.Context, at delegation, name string, qtype uint16) (reply, *failure) {
	failed := new(failure)
	for _, host := range at.hosts {
		for addr := range l.addressesOf(ctx, at, host) {
			r, err := l.askOne(ctx, addr, at.zone, name, qtype)
			if err == nil {
				return r, nil
			}
			failed.add(addr.String(), err)
			if ctx.Err() != nil || l.spent() {
				return reply{}, failed
			}
		}
	}
	if failed.err == nil {
		failed.err = fmt.Errorf("no name server of %s has an address", at.zone)
	}
	return reply{}, failed
}

// addressesOf yields maxOwnAddress addresses of a zone's server, at most. Those
// of IPv6 are looked up only if those of IPv4 do not do.
func (l *lookup) addressesOf(ctx context.Context, at delegation, host string) iter.Seq[netip.AddrPort] {
	return func(yield func(netip.AddrPort) bool) {
		left := maxOwnAddress
		for _, family := range []uint16{dns.TypeA, dns.TypeAAAA} {
			if left == 0 {
				return
			}
			for _, addr := range l.addressesIn(ctx, at, host, family) {
				if left == 0 || !yield(addr) {
					return
				}
				left--
			}
		}
	}
}

func (l *lookup) addressesIn(ctx context.Context, at delegation, host string, family uint16) []netip.AddrPort {
	records := recordsAt(at.glue, host, family)
	if len(records) == 0 {
		records = l.sub(ctx, host, family).records
	}
	var all []netip.AddrPort
	for _, ip := range ipAddresses(answer{records: records}) {
		all = append(all, netip.AddrPortFrom(ip, l.dns.port()))
	}
	return l.dns.unresponsiveLast(all, true)
}

func (d *DNS) port() uint16 {
	if d.Port == 0 {
		return DefaultPort
	}
	return d.Port
}

// askOne takes an answer that the server gives on its own authority, or a
// referral downwards.
func (l *lookup) askOne(ctx context.Context, addr netip.AddrPort, zone, name string, qtype uint16) (reply, error) {
	m, err := l.listen(ctx, target{addr: addr, own: true}, name, qtype)
	if err != nil {
		return reply{}, err
	}
	r := reply{Msg: m, server: addr.String(), zone: zone}
	_, refers := r.referral(name)
	if !m.Authoritative && !refers {
		return reply{}, errors.New("it does not speak for the zone")
	}
	return r, nil
}

// referral returns the zone that the server delegates name to. It must be inside
// of its own, so that every step leads closer to the name.
func (r reply) referral(name string) (delegation, bool) {
	if !isReferral(r.Msg) {
		return delegation{}, false
	}
	for _, rr := range r.Ns {
		cut := rr.Header().Name
		if rr.Header().Rrtype != dns.TypeNS || !inZone(name, cut) || !inZone(cut, r.zone) || sameName(cut, r.zone) {
			continue
		}
		next := delegation{zone: cut, hosts: hostsOf(r.Ns, cut)}
		for _, extra := range r.Extra {
			// A server outside of the zone has a zone of its own to say where it is.
			if inZone(extra.Header().Name, cut) {
				next.glue = append(next.glue, extra)
			}
		}
		return next, true
	}
	return delegation{}, false
}
