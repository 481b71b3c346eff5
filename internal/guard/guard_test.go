package guard

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		address         string
		strict, private bool // allowed
	}{
		{"8.8.8.8", true, true},
		{"2606:4700:4700::1111", true, true},
		{"::ffff:8.8.8.8", true, true},
		{"127.0.0.1", false, true},
		{"127.8.9.1", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.16.0.1", false, true},
		{"172.32.0.1", true, true},
		{"192.168.1.1", false, true},
		{"100.64.0.1", false, true},
		{"fd00::1", false, true},
		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"::", false, false},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"fe80::1", false, false},
		{"224.0.0.1", false, false},
		{"ff02::1", false, false},
		{"255.255.255.255", false, false},
		{"240.0.0.1", false, false},
		{"64:ff9b::7f00:1", false, false},
		{"2002:7f00:1::", false, false},
		{"2001:0:7f00:1::", false, false},
		{"::7f00:1", false, false},
		{"::ffff:0:127.0.0.1", false, false},
		{"64:ff9b:1::7f00:1", false, false},
		{"192.88.99.1", false, false},
		{"fec0::1", false, false},
		{"5f00::1", false, false},
		{"4000::1", false, false},
		{"1fff:ffff::1", false, false},
		{"2a00:1450::1", true, true},
		{"168.63.129.16", false, false},
		{"168.63.129.17", true, true},
		{"100.100.100.200", false, false},
		{"::ffff:100.100.100.200", false, false},
		{"fd00:ec2::254", false, false},
		{"fd20:ce::254", false, false},
		{"fd20:ce::255", false, true},
	} {
		a := netip.MustParseAddr(c.address)
		for _, p := range []Policy{{}, {AllowPrivate: true}} {
			want := c.strict
			if p.AllowPrivate {
				want = c.private
			}
			err := p.Check(a)
			if (err == nil) != want || err != nil && !errors.Is(err, ErrForbidden) {
				t.Errorf("%s with %+v: %v", c.address, p, err)
			}
		}
	}
	if (Policy{AllowPrivate: true}).Check(netip.Addr{}) == nil {
		t.Error("the zero address is allowed")
	}
}

func TestDialerChecksWhereItConnects(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Policy{}.Dialer(time.Second).Dial("tcp", l.Addr().String())
	if !errors.Is(err, ErrForbidden) {
		t.Errorf("dialed loopback: %v", err)
	}
	conn, err := Policy{AllowPrivate: true}.Dialer(time.Second).Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
