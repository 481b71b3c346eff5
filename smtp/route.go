package smtp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"postern/mime"
	"postern/trust/reason"
)

// Bounds on what a hostile zone can make us try.
const (
	maxHosts     = 10
	maxAddresses = 8 // of one host
	maxAttempts  = 16
)

// A host is where a delivery may go.
type host struct {
	name   string // a host name or an IP address
	port   uint16
	dial   Dialer
	routed bool // named by a route and not by DNS
}

// hosts returns the hosts of a destination in the order to try them.
func (r *Relay) hosts(ctx context.Context, d mime.Domain) ([]host, error) {
	route, ok := r.Routes[d]
	if ok {
		return r.routed(route)
	}
	if r.Resolver == nil {
		return nil, reason.New(reason.Internal, "no resolver to find the hosts of %s", d)
	}
	mxs, err := r.Resolver.LookupMX(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("looking up the MX of %s: %w", d, err)
	}
	mxs = r.beforeUs(order(mxs))
	if len(mxs) == 0 {
		return nil, reason.New(reason.NoRoute, "no MX of %s but ourselves", d)
	}
	dial := r.DialMX
	if dial == nil {
		dial = r.Dial
	}
	hosts := make([]host, 0, maxHosts)
	for _, mx := range mxs[:min(len(mxs), maxHosts)] {
		hosts = append(hosts, host{mx.Host, cmp.Or(uint16(r.Port), 25), dial, false})
	}
	return hosts, nil
}

func (r *Relay) routed(route string) ([]host, error) {
	name, port, err := net.SplitHostPort(route)
	if err != nil {
		return nil, reason.New(reason.Internal, "reading a route: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, reason.New(reason.Internal, "reading the port of a route: %w", err)
	}
	return []host{{name, uint16(n), r.Dial, true}}, nil
}

// order sorts by preference, and at random among equals (RFC 5321 §5.1).
func order(mxs []MX) []MX {
	mxs = slices.Clone(mxs)
	rand.Shuffle(len(mxs), func(i, j int) { mxs[i], mxs[j] = mxs[j], mxs[i] })
	slices.SortStableFunc(mxs, func(a, b MX) int { return cmp.Compare(a.Preference, b.Preference) })
	return mxs
}

// beforeUs cuts sorted exchangers at the preference of ourselves: the rest would
// send the message back to us (RFC 5321 §5.1).
func (r *Relay) beforeUs(mxs []MX) []MX {
	us := slices.IndexFunc(mxs, func(mx MX) bool { return sameHost(mx.Host, r.Hostname) })
	if us < 0 {
		return mxs
	}
	first := slices.IndexFunc(mxs, func(mx MX) bool { return mx.Preference == mxs[us].Preference })
	return mxs[:first]
}

func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// addresses returns a bounded number of addresses of a host.
func (r *Relay) addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	literal, err := netip.ParseAddr(name)
	if err == nil {
		return []netip.Addr{literal}, nil
	}
	if r.Resolver == nil {
		return nil, reason.New(reason.Internal, "no resolver to find the host %s", name)
	}
	all, err := r.Resolver.LookupHost(ctx, strings.TrimSuffix(name, "."))
	if err != nil {
		return nil, fmt.Errorf("looking up the addresses of %s: %w", name, err)
	}
	if len(all) == 0 {
		return nil, reason.New(reason.NoRoute, "the host %s has no address", name)
	}
	return all[:min(len(all), maxAddresses)], nil
}

// failed makes the result of an error of ours or of the resolver. The detail of
// it is for our own log.
func failed(err error, host string) Result {
	code := reason.Of(err)
	if code.IsOK() {
		code = reason.Internal
	}
	var e *reason.Error
	text := code.Outcome().Public
	if errors.As(err, &e) && e.Detail != "" {
		text = e.Detail
	}
	r := local(code, host, text)
	r.Down = code.Outcome().Retry && code != reason.Internal
	return r
}
