package ldapd

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a listener whose first calls of Accept fail.
type failing struct {
	*pipes
	with  error
	times atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.times.Add(-1) >= 0 {
		return nil, f.with
	}
	return f.pipes.Accept()
}

func TestServeWhenAcceptingFails(t *testing.T) {
	for _, c := range []struct {
		name string
		with error
		want error
	}{
		{"out of files", &net.OpError{Op: "accept", Err: syscall.EMFILE}, nil},
		{"gone before it was accepted", &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}, nil},
		{"for good", syscall.EBADF, syscall.EBADF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			synctest.Test(t, func(t *testing.T) {
				l := &failing{pipes: newPipes(), with: c.with}
				l.times.Store(3)
				server := New(s.source, Options{})
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- server.Serve(ctx, l) }()
				if c.want == nil {
					f := l.dial()
					f.Write(bindOctets)
					synctest.Wait()
					f.Close()
					if got := replies(t, f.end()); len(got) != 1 {
						t.Errorf("answers %v", got)
					}
				} else {
					synctest.Wait()
				}
				cancel()
				if err := <-served; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				<-l.closed
			})
		})
	}
}

func TestLimiter(t *testing.T) {
	l, now := newLimiter(50), time.Unix(1e9, 0)
	one := netip.MustParsePrefix("192.0.2.1/32")
	if !l.take(one, 100, now) || l.take(one, 1, now) {
		t.Error("a burst is not twice the rate")
	}
	if now = now.Add(100 * time.Millisecond); !l.take(one, 5, now) || l.take(one, 1, now) {
		t.Error("a tenth of a second does not give a tenth of the rate")
	}
	if l.take(one, 1, now.Add(-time.Hour)) || l.take(one, 1, now) {
		t.Error("a clock that goes back gives something")
	}
	if !l.take(netip.MustParsePrefix("192.0.2.2/32"), 1, now) {
		t.Error("another client shares the bucket")
	}
	for i := range 3 * maxClients {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		if !l.take(netip.PrefixFrom(a, 32), 1, now) {
			t.Fatalf("client %d has nothing", i)
		}
		if len(l.clients) > maxClients {
			t.Fatalf("%d clients are kept", len(l.clients))
		}
	}
}

// TestLimiterForgetsTheIdleFirst: who is over the limit stays so while others
// come and go.
func TestLimiterForgetsTheIdleFirst(t *testing.T) {
	l, now := newLimiter(50), time.Unix(1e9, 0)
	busyOne := netip.MustParsePrefix("192.0.2.1/32")
	for i := range 2 * maxClients {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		l.take(netip.PrefixFrom(a, 32), 1, now)
		now = now.Add(20 * time.Millisecond) // in which one request is regained
		for l.take(busyOne, 1, now) {
		}
	}
	if l.take(busyOne, 1, now) {
		t.Error("a busy client was forgotten")
	}
}

func TestNeighbourhood(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		a := netip.MustParseAddr(address)
		got := neighbourhood(&net.TCPAddr{IP: a.AsSlice(), Zone: a.Zone(), Port: 1})
		if got.String() != want {
			t.Errorf("%s is in %s, want %s", address, got, want)
		}
	}
	if got := neighbourhood(&net.UnixAddr{}); got != (netip.Prefix{}) {
		t.Errorf("a Unix socket is in %s", got)
	}
}
