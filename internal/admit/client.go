package admit

import (
	"net"
	"net/netip"
)

// AddrPort returns the address and port of a TCP or UDP client, an IPv4 address
// as such; zero for anything else.
func AddrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.TCPAddr:
		ap = a.AddrPort()
	case *net.UDPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// Client is what counts as one client where its address is certain: an IPv4
// address, or the IPv6 /64 that one host may choose from. What has no address is
// all one.
func Client(a netip.Addr) netip.Prefix { return prefix(a, 32, 64) }

// Network is what counts as one client where the address may be forged, or is
// only one of those that ask for the same people: an IPv4 /24, or the IPv6 /56 of
// a site.
func Network(a netip.Addr) netip.Prefix { return prefix(a, 24, 56) }

func prefix(a netip.Addr, four, six int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := four
	if a.Is6() {
		bits = six
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
