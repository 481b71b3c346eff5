package door

import (
	"bytes"
	"log/slog"
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

// A stranger fills no disk: that he is refused is one line a minute.
func TestARefusedClientIsLoggedOnce(t *testing.T) {
	g := NewGate("imap", 1000, 1, 0)
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	for range 5 {
		for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
			c := g.Admit(from{address: address})
			if c.Over != "" {
				g.Log(log, c)
			}
		}
	}
	if n := bytes.Count(text.Bytes(), []byte("imap connections refused")); n != 2 {
		t.Errorf("%d lines of two clients:\n%s", n, text.String())
	}
}
