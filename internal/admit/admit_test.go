package admit

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatCountsAsOneClient(t *testing.T) {
	for in, want := range map[string][2]string{
		"192.0.2.7":           {"192.0.2.7/32", "192.0.2.0/24"},
		"::ffff:192.0.2.7":    {"192.0.2.7/32", "192.0.2.0/24"},
		"2001:db8:1:2ff::4":   {"2001:db8:1:2ff::/64", "2001:db8:1:200::/56"},
		"fe80::1:2:3:4%eth0":  {"fe80::/64", "fe80::/56"},
		"2001:db8:1:2:3::4:5": {"2001:db8:1:2::/64", "2001:db8:1::/56"},
	} {
		ip := netip.MustParseAddr(in)
		for _, a := range []net.Addr{&net.TCPAddr{IP: ip.AsSlice(), Zone: ip.Zone(), Port: 25}, &net.UDPAddr{IP: ip.AsSlice(), Zone: ip.Zone(), Port: 25}} {
			ap := AddrPort(a)
			if got := [2]string{Client(ap.Addr()).String(), Network(ap.Addr()).String()}; got != want || ap.Port() != 25 {
				t.Errorf("%s: %v, want %v", a, got, want)
			}
		}
	}
	unix := AddrPort(&net.UnixAddr{Name: "x"}).Addr()
	if unix.IsValid() || Client(unix) != (netip.Prefix{}) || Network(unix) != (netip.Prefix{}) {
		t.Errorf("a Unix socket is %s", unix)
	}
}

func client(last byte) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, last}), 32)
}

func TestGateCounts(t *testing.T) {
	g := Gate{Total: 3, Each: 2}
	leave := func(last byte) func() {
		t.Helper()
		l, ok := g.Enter(client(last))
		if !ok {
			t.Fatalf("no place for %d", last)
		}
		return l
	}
	refused := func(last byte) {
		t.Helper()
		if _, ok := g.Enter(client(last)); ok {
			t.Fatalf("a place for %d", last)
		}
	}
	one := leave(1)
	leave(1)
	refused(1)
	leave(2)
	refused(3)
	one()
	one() // is once
	leave(3)
	refused(2)
	refused(1)
	none := Gate{}
	for range 1000 {
		if _, ok := none.Enter(client(1)); !ok {
			t.Fatal("the zero gate has a limit")
		}
	}
}

// A crowd is a listener of connections that tests make.
type crowd struct {
	conns chan net.Conn
	errs  chan error
	ended chan struct{}
	stop  sync.Once
}

func newCrowd() *crowd {
	return &crowd{conns: make(chan net.Conn), errs: make(chan error), ended: make(chan struct{})}
}

func (c *crowd) Accept() (net.Conn, error) {
	select {
	case conn := <-c.conns:
		return conn, nil
	case err := <-c.errs:
		return nil, err
	case <-c.ended:
		return nil, net.ErrClosed
	}
}

func (c *crowd) Close() error {
	c.stop.Do(func() { close(c.ended) })
	return nil
}

func (c *crowd) Addr() net.Addr { return &net.TCPAddr{} }

// A visitor is a connection from an address that takes all that is written.
type visitor struct {
	net.Conn
	from   netip.Prefix
	closed bool
}

func (v *visitor) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(v.from.Addr(), 1))
}
func (v *visitor) Write(p []byte) (int, error) { return len(p), nil }
func (v *visitor) Close() error                { v.closed = true; return nil }

// TestTheFullGateMakesRoom: those with the most places, and of them the one that
// was served the longest time ago, go first. Nobody goes for who has as many, or
// would have as many then: clients that all want one more come to rest.
func TestTheFullGateMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, c := &Gate{Total: 5, Each: 3}, newCrowd()
		l := g.Listen(c, nil)
		inside := make(map[*visitor]net.Conn)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				inside[conn.(*guest).Conn.(*visitor)] = conn
			}
		}()
		come := func(last byte) *visitor {
			v := &visitor{from: client(last)}
			c.conns <- v
			synctest.Wait()
			return v
		}
		closed := func(all ...*visitor) (out []bool) {
			for _, v := range all {
				out = append(out, v.closed)
			}
			return out
		}
		check := func(when string, want []bool, all ...*visitor) {
			t.Helper()
			if diff := cmp.Diff(want, closed(all...)); diff != "" {
				t.Errorf("%s: closed (-want +got):\n%s", when, diff)
			}
		}
		a1, a2, a3 := come(1), come(1), come(1)
		b1, b2 := come(2), come(2)
		if _, err := inside[a1].Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c1 := come(3)
		check("a first of another", []bool{false, true, false, false, false, false}, a1, a2, a3, b1, b2, c1)
		c2 := come(3)
		check("a second, when others have two", []bool{false, false, false, false, false, true}, a1, a3, b1, b2, c1, c2)
		b3 := come(2)
		check("as many as anybody has", []bool{false, false, false, false, true}, a1, b1, b2, c1, b3)
		d1 := come(4)
		check("another first", []bool{false, true, false, false, false, false}, a1, a3, b1, b2, c1, d1)
		_ = inside[b2].Close()
		b4 := come(2)
		check("a place that was left", []bool{false, false, false, false, false}, a1, b1, c1, d1, b4)
		g.Cut()
		check("cut", []bool{true, true, true, true, true}, a1, b1, c1, d1, b4)
		for _, conn := range inside {
			_ = conn.Close()
		}
		if g.inside != 0 || len(g.of) != 0 || len(g.guests) != 0 {
			t.Errorf("%d places are taken: %v", g.inside, g.of)
		}
		_ = l.Close()
	})
}

func TestRefusedConnectionsAreHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		var told []net.Conn
		l := (&Gate{Total: 9, Each: 1}).Listen(c, func(conn net.Conn) { told = append(told, conn) })
		one, two := &visitor{from: client(1)}, &visitor{from: client(1)}
		go func() { c.conns <- one; c.conns <- two; _ = l.Close() }()
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		if len(told) != 1 || told[0] != net.Conn(two) || two.closed {
			t.Errorf("%v were refused", told)
		}
	})
}

// Accepting waits when the system is out of something, but not for a listener
// that is closed.
func TestAcceptingWaitsForWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := newCrowd(), time.Now()
		l := new(Gate).Listen(c, nil)
		go func() {
			c.errs <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
			c.errs <- &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}
			c.conns <- &visitor{from: client(1)}
			c.errs <- syscall.EBADF
		}()
		if _, err := l.Accept(); err != nil || time.Since(began) != 2*acceptPause {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if _, err := l.Accept(); !errors.Is(err, syscall.EBADF) {
			t.Error(err)
		}
		began = time.Now()
		go func() {
			c.errs <- syscall.ENFILE
			synctest.Wait()
			_ = l.Close()
		}()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || time.Since(began) != 0 {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A line is a connection of a group.
type line struct{ drained, cut chan struct{} }

func newLine() *line   { return &line{make(chan struct{}), make(chan struct{})} }
func (l *line) Drain() { close(l.drained) }
func (l *line) Cut()   { close(l.cut) }
func (l *line) run(g *Group, ends <-chan struct{}) {
	<-ends
	g.Remove(l)
	g.Remove(l) // is once
}

func TestGroupEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		ctx, cancel := context.WithCancel(t.Context())
		c := newCrowd()
		done, ok := g.Listen(ctx, c)
		if !ok || g.Closing() {
			t.Fatal("a new group takes no listener")
		}
		go func() { <-c.ended; done() }()
		willing, stubborn := newLine(), newLine()
		for _, l := range []*line{willing, stubborn} {
			if !g.Add(l) {
				t.Fatal("a new group takes no connection")
			}
		}
		go willing.run(&g, willing.drained)
		go stubborn.run(&g, stubborn.cut)
		cancel()
		synctest.Wait()
		if !g.Closing() || g.Len() != 1 || g.Add(newLine()) {
			t.Errorf("%d connections after the context", g.Len())
		}
		late := newCrowd()
		if _, ok := g.Listen(t.Context(), late); ok {
			t.Error("a drained group listens")
		}
		<-late.ended
		stubborn.Cut()
	})
}

func TestGroupCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		l := newLine()
		g.Add(l)
		go l.run(&g, l.cut)
		g.Cut()
		synctest.Wait()
		if !g.Closing() || g.Len() != 0 || g.Add(newLine()) {
			t.Errorf("%d connections are left", g.Len())
		}
	})
}

func TestGroupShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g Group
		willing, stubborn := newLine(), newLine()
		g.Add(willing)
		go willing.run(&g, willing.drained)
		g.Add(stubborn)
		go stubborn.run(&g, stubborn.cut)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		synctest.Wait()
		if g.Len() != 0 {
			t.Errorf("%d connections are left", g.Len())
		}
		if err := g.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
