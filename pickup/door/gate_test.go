package door

import (
	"net"
	"net/netip"
	"testing"
)

// A from is a connection from an address.
type from struct {
	net.Conn
	address string
}

func (c from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(c.address), 1))
}
func (c from) Close() error { return nil }

// Whoever has an IPv6 network has all of its addresses, and is one client.
func TestOneNetworkIsOneClient(t *testing.T) {
	g := NewGate("imap", 1000, 1, 0)
	first := g.Admit(from{address: "2001:db8::1"})
	if first == nil || first.Over != "" || first.IP != netip.MustParseAddr("2001:db8::1") {
		t.Fatalf("the first: %+v", first)
	}
	for _, address := range []string{"2001:db8::2", "2001:db8::1:0:0:3"} {
		if c := g.Admit(from{address: address}); c == nil || c.Over == "" {
			t.Errorf("%s was let in beside its neighbour", address)
		}
	}
	if c := g.Admit(from{address: "2001:db8:0:1::1"}); c == nil || c.Over != "" {
		t.Error("another network was refused")
	}
	_ = first.Close()
	_ = first.Close()
	if c := g.Admit(from{address: "2001:db8::2"}); c == nil || c.Over != "" {
		t.Error("the place stays taken")
	}
	for range 2 * refusedAtOnce {
		g.Admit(from{address: "2001:db8::3"})
	}
	if c := g.Admit(from{address: "2001:db8::4"}); c != nil {
		t.Error("whoever is refused is kept without bound")
	}
}
