package discovery

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"postern/mime"
	"postern/trust/reason"
)

// Bounds on what the relay is given.
const (
	maxMX        = 32
	maxAddresses = 16 // of each family
)

// An MX is a server that takes the mail of a domain.
type MX struct {
	Host       string // without the final dot
	Preference uint16 // the lowest first
}

// LookupMX returns the mail servers of a domain, the lowest preference first. A
// domain without MX records that has an address is its own server (RFC 5321
// §5.1). Errors are *reason.Error: NullMX (RFC 7505), NoRoute if there is no
// server, DiscoveryTimeout if DNS could not say; they wrap a *DNSError where
// there is one.
func (d *DNS) LookupMX(ctx context.Context, domain mime.Domain) ([]MX, error) {
	a, err := d.query(ctx, domain.String(), dns.TypeMX, false)
	if errors.Is(err, ErrNoData) {
		return d.implicitMX(ctx, domain)
	}
	if err != nil {
		return nil, noRoute("finding a mail server", err)
	}
	var all []MX
	for _, rr := range a.records {
		r, ok := rr.(*dns.MX)
		if ok && r.Mx != "." {
			all = append(all, MX{Host: strings.TrimSuffix(r.Mx, "."), Preference: r.Preference})
		}
	}
	if len(all) == 0 {
		return nil, reason.New(reason.NullMX, "%s has a null MX", domain)
	}
	slices.SortStableFunc(all, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return all[:min(len(all), maxMX)], nil
}

func (d *DNS) implicitMX(ctx context.Context, domain mime.Domain) ([]MX, error) {
	_, err := d.addresses(ctx, domain.String())
	if err != nil {
		return nil, noRoute("finding a mail server", err)
	}
	return []MX{{Host: domain.String()}}, nil
}

// LookupHost returns the addresses of a host, IPv4 before IPv6. If one family
// fails and the other is there, that must do. Errors are *reason.Error as those
// of LookupMX.
func (d *DNS) LookupHost(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := d.addresses(ctx, host)
	if err != nil {
		return nil, noRoute("finding a host", err)
	}
	return all, nil
}

func (d *DNS) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	var all []netip.Addr
	var failed error
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		a, err := d.query(ctx, host, qtype, false)
		all = append(all, ipAddresses(a)...)
		if failed == nil || temporary(err) {
			failed = err
		}
		if errors.Is(err, ErrNoName) {
			break // no name, so no record of any type
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, failed
}

func ipAddresses(a answer) []netip.Addr {
	var all []netip.Addr
	for _, rr := range a.records {
		var ip netip.Addr
		var ok bool
		switch r := rr.(type) {
		case *dns.A:
			ip, ok = netip.AddrFromSlice(r.A)
		case *dns.AAAA:
			ip, ok = netip.AddrFromSlice(r.AAAA)
		}
		if ok && len(all) < maxAddresses {
			all = append(all, ip.Unmap())
		}
	}
	return all
}

func noRoute(doing string, err error) error {
	if temporary(err) {
		return reason.New(reason.DiscoveryTimeout, "%s: %w", doing, err)
	}
	return reason.New(reason.NoRoute, "%s: %w", doing, err)
}
