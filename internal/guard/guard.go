// Package guard keeps connections that strangers can cause away from places
// they have no business with. A recipient's DNS zone names the LDAP server we
// ask, a certificate names the URLs we fetch: without a guard, each could point
// us at our own loopback or our neighbours.
package guard

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbidden is wrapped by the error of every connection that is refused.
var ErrForbidden = errors.New("the address is not one of the public internet")

// A Policy says where connections may go. The zero Policy lets them go to
// global unicast addresses alone.
type Policy struct {
	// AllowPrivate adds loopback and private networks.
	AllowPrivate bool
}

// Dialer returns a dialer under the policy. The check is made on the very
// address that is connected to, after every resolution and redirection, so that
// no name can change its mind in between. Timeout is for one dial.
func (p Policy) Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, Control: p.control}
}

func (p Policy) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is not an address", ErrForbidden, address)
	}
	return p.Check(to.Addr())
}

// Check returns an error wrapping ErrForbidden if a is out of bounds.
func (p Policy) Check(a netip.Addr) error {
	a = a.Unmap().WithZone("")
	switch {
	case metadata(a):
	case private(a):
		if p.AllowPrivate {
			return nil
		}
	case a.IsGlobalUnicast() && !special(a):
		return nil
	}
	return fmt.Errorf("%w: %s", ErrForbidden, a)
}

// metadata reports the addresses at which clouds hand out credentials to whoever
// asks from inside, where they are not link-local: those of Azure, Amazon, Google
// and Alibaba. No closed network has a use for them.
func metadata(a netip.Addr) bool {
	return within(a, "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128", "100.100.100.200/32")
}

// private reports loopback and private networks (RFC 1918, RFC 4193, RFC 6598).
func private(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || within(a, "100.64.0.0/10")
}

// special reports addresses that are nobody's in particular, and those that
// carry an IPv4 address inside, which could be any (RFC 6890, RFC 7526). Of IPv6
// all that is assigned for global unicast is in one block (RFC 4291 §2.4).
func special(a netip.Addr) bool {
	return a.Is6() && !within(a, "2000::/3") || within(a,
		"0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
}

func within(a netip.Addr, prefixes ...string) bool {
	for _, p := range prefixes {
		if netip.MustParsePrefix(p).Contains(a) {
			return true
		}
	}
	return false
}
